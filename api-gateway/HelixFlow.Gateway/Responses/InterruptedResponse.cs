using System.Text.Json;
using HelixFlow.Gateway.Streaming;

namespace HelixFlow.Gateway.Responses;

/// <summary>A response that a process left when it ended, and that cannot be run again: parts of it may have been delivered.</summary>
internal static class InterruptedResponse
{
    private const string Message = "The server was restarted while it produced this response. Please try again.";

    /// <summary>The response object as it is from now on.</summary>
    /// <param name="body">The response object as it was stored.</param>
    public static string Body(string body)
    {
        using JsonDocument document = JsonDocument.Parse(body);
        return JsonText.Of(document.RootElement, static (json, response) =>
        {
            json.WriteStartObject();
            foreach (JsonProperty property in response.EnumerateObject())
            {
                if (property.NameEquals("status"))
                {
                    json.WriteString("status"u8, "failed"u8);
                }
                else if (property.NameEquals("error"))
                {
                    json.WriteStartObject("error"u8);
                    json.WriteString("code"u8, "server_error"u8);
                    json.WriteString("message"u8, Message);
                    json.WriteEndObject();
                }
                else
                {
                    property.WriteTo(json);
                }
            }

            json.WriteEndObject();
        });
    }
}
