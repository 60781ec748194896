using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Ollama;

/// <summary>The calls of Ollama's API that would change which models there are.</summary>
/// <remarks>
/// A server's models are chosen when it starts, and what a key lets its holder do is infer: neither fetching gigabytes onto the server's disk nor
/// taking models from others. So a pull succeeds for a model that is there, which clients ask for before they use it, and all else is refused.
/// </remarks>
internal sealed class OllamaStoreEndpoints(OllamaModels models, GatewayOptions options)
{
    public async Task PullAsync(HttpContext context)
    {
        bool stream;
        using (JsonDocument body = await OllamaRequest.ReadBodyAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            string name = OllamaModels.NameOf(fields);
            stream = OllamaOptions.Stream(fields);
            if (await models.TryFindAsync(name, context.RequestAborted) is null)
            {
                throw Refusal(StatusCodes.Status404NotFound, $"this server cannot pull '{name}': fetch it on its machine (helixflow pull {name}) and serve it from there (helixflow serve --model NAME)");
            }
        }

        if (!stream)
        {
            await JsonResponse.WriteAsync(context, "success", WriteStatus);
            return;
        }

        using var lines = new JsonLines(context);
        lines.Add("success", WriteStatus);
        await lines.FlushAsync();
    }

    /// <summary>Answers a call that would make, copy, delete or publish a model.</summary>
    public static Task RefuseAsync(HttpContext context) =>
        throw Refusal(StatusCodes.Status403Forbidden, $"{context.Request.Path} is not supported: models are managed on the server's machine (helixflow pull, helixflow models)");

    private static OpenAiException Refusal(int status, string message) => new(new OpenAiError(status, "invalid_request_error", message, Code: "unsupported"));

    private static void WriteStatus(Utf8JsonWriter json, string status)
    {
        json.WriteStartObject();
        json.WriteString("status"u8, status);
        json.WriteEndObject();
    }
}
