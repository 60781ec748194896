using System.Text.Json;
using HelixFlow.Gateway.ChatCompletions;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.StoredCompletions;

/// <summary>A chat completion that is stored when it is done.</summary>
/// <param name="MetadataJson">What the client attaches to it.</param>
/// <param name="Messages">The request's messages.</param>
/// <param name="Fields">What the request asked for, as the stored completion shows it.</param>
internal sealed record StoreRequest(string MetadataJson, string Messages, string Fields)
{
    private static readonly string[] Shown = ["tool_choice", "seed", "top_p", "temperature", "presence_penalty", "frequency_penalty", "tools", "response_format"];

    /// <summary>Checks the metadata of a chat request, and reads what is to be stored with its answer; null when it is not to be stored.</summary>
    /// <exception cref="Errors.OpenAiException">A field is of the wrong type or too long.</exception>
    public static StoreRequest? Read(JsonElement body)
    {
        var fields = new RequestFields(body);
        string metadata = MetadataField.Read(fields) ?? "{}";
        if (!fields.Bool("store"))
        {
            return null;
        }

        return new StoreRequest(metadata, body.GetProperty("messages").GetRawText(), JsonText.Of(body, static (json, body) =>
        {
            json.WriteStartObject();
            foreach (string name in Shown)
            {
                json.WritePropertyName(name);
                if (body.TryGetProperty(name, out JsonElement value))
                {
                    value.WriteTo(json);
                }
                else
                {
                    json.WriteNullValue();
                }
            }

            json.WritePropertyName("input_user"u8);
            if (body.TryGetProperty("user", out JsonElement user))
            {
                user.WriteTo(json);
            }
            else
            {
                json.WriteNullValue();
            }

            json.WriteEndObject();
        }));
    }

    /// <summary>Stores the completion.</summary>
    public Task SaveAsync(CompletionStore store, string id, long created, GenerateRequest request, ChatCompletionWriter answer, CollectedGeneration generation, CancellationToken cancellationToken)
    {
        using JsonDocument whole = JsonDocument.Parse(JsonText.Of((answer, generation), static (json, state) => state.answer.WriteWhole(json, state.generation)));
        using JsonDocument fields = JsonDocument.Parse(Fields);
        string body = JsonText.Of((whole, fields, request.RequestId), static (json, state) =>
        {
            json.WriteStartObject();
            foreach (JsonProperty property in (IEnumerable<JsonProperty>)[.. state.whole.RootElement.EnumerateObject(), .. state.fields.RootElement.EnumerateObject()])
            {
                property.WriteTo(json);
            }

            json.WriteString("request_id"u8, state.RequestId);
            json.WriteString("service_tier"u8, "default"u8);
            json.WriteEndObject();
        });
        return store.InsertAsync(request.Project, new StoredCompletion(id, created, request.Model, MetadataJson, body, Messages), cancellationToken);
    }
}
