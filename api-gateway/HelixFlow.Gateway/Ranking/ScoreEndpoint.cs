using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Embeddings;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Observability;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Ranking;

/// <summary>
/// <c>POST /v1/score</c>, in vLLM's form: what pairs of texts have to do with each other (see <see cref="TextScores"/>), one against one, one against many, or each against its counterpart.
/// </summary>
internal sealed class ScoreEndpoint(TextScores scores, MeasuredPool pool, GatewayOptions options, TimeProvider time)
{
    private const int MostTexts = 2048;

    public async Task HandleAsync(HttpContext context)
    {
        var template = new EmbedRequest();
        Texts first;
        Texts second;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            template.Model = await ModelField.ReadAsync(fields, pool, context.RequestAborted);
            EmbeddingRequest.ReadPooling(fields, template);
            first = Read(fields, "text_1");
            second = Read(fields, "text_2");
        }

        int pairs = second.Inputs.Count;
        if (first.Inputs.Count != 1 && first.Inputs.Count != pairs)
        {
            throw RequestFields.Invalid(
                "text_2", $"Invalid 'text_2': 'text_1' has {first.Inputs.Count} texts and 'text_2' has {pairs}. Expected one text in 'text_1', or as many in both.", "invalid_value");
        }

        PairScores answer = await scores.RunAsync(context, template, first.Inputs, second.Inputs, first.NameOf, second.NameOf);
        string id = "score-" + context.TraceIdentifier["req_".Length..];
        await JsonResponse.WriteAsync(context, answer, (json, state) =>
        {
            json.WriteStartObject();
            json.WriteString("id"u8, id);
            json.WriteString("object"u8, "list"u8);
            json.WriteNumber("created"u8, time.GetUtcNow().ToUnixTimeSeconds());
            json.WriteString("model"u8, template.Model);
            json.WriteStartArray("data"u8);
            for (int i = 0; i < state.Scores.Count; i++)
            {
                json.WriteStartObject();
                json.WriteNumber("index"u8, i);
                json.WriteString("object"u8, "score"u8);
                json.WriteNumber("score"u8, state.Scores[i]);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            UsageJson.WritePromptOnly(json, state.Tokens);
            json.WriteEndObject();
        });
    }

    /// <exception cref="OpenAiException">The field is missing, holds no text, or a text of it is empty.</exception>
    private static Texts Read(RequestFields fields, string name)
    {
        if (!fields.TryGet(name, out JsonElement field))
        {
            throw fields.Missing(name);
        }

        bool isList = field.ValueKind == JsonValueKind.Array;
        IReadOnlyList<string> texts = fields.Strings(name, MostTexts);
        var read = new Texts(name, isList, [.. texts.Select((text, index) => EmbeddingRequest.Text(text, Texts.NameOf(name, isList, index)))]);
        return texts.Count > 0 ? read : throw RequestFields.Invalid(name, $"Invalid '{name}': input cannot be an empty array.", "empty_array");
    }

    /// <summary>One side of the pairs, and how errors name its texts.</summary>
    private sealed record Texts(string Name, bool IsList, IReadOnlyList<EmbedInput> Inputs)
    {
        public string NameOf(int index) => NameOf(Name, IsList, index);

        public static string NameOf(string name, bool isList, int index) => isList ? string.Create(CultureInfo.InvariantCulture, $"{name}[{index}]") : name;
    }
}
