using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Embeddings;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Ollama;

/// <summary><c>POST /api/embed</c> and the older <c>POST /api/embeddings</c> of Ollama's API.</summary>
internal sealed class OllamaEmbedEndpoint(EmbeddingBatches batches, OllamaModels models, GatewayOptions options, TimeProvider time)
{
    private const int MostInputs = 2048;

    public async Task EmbedAsync(HttpContext context)
    {
        var times = new OllamaTimes(time);
        string name;
        bool truncate;
        EmbedRequest template;
        IReadOnlyList<string> inputs;
        using (JsonDocument body = await OllamaRequest.ReadBodyAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            name = OllamaModels.NameOf(fields);
            inputs = fields.Strings("input", MostInputs);
            fields.Object("options"); // nothing in it concerns vectors
            OllamaOptions.IsKeptAliveForNoTime(fields);
            truncate = !fields.TryGet("truncate", out _) || fields.Bool("truncate");
            template = new EmbedRequest
            {
                Model = (await models.FindAsync(fields, context.RequestAborted)).Name,
                Dimensions = (uint)(fields.Integer("dimensions", 1, int.MaxValue) ?? 0),
            };
        }

        EmbeddedInputs answer = await RunAsync(context, template, inputs, truncate, i => string.Create(CultureInfo.InvariantCulture, $"input[{i}]"));
        await JsonResponse.WriteAsync(context, (name, answer, times), static (json, state) =>
        {
            json.WriteStartObject();
            json.WriteString("model"u8, state.name);
            json.WriteStartArray("embeddings"u8);
            foreach (Embedding vector in state.answer.Vectors)
            {
                WriteVector(json, vector);
            }

            json.WriteEndArray();
            state.times.WriteTotal(json);
            json.WriteNumber("prompt_eval_count"u8, state.answer.Tokens);
            json.WriteEndObject();
        });
    }

    public async Task EmbeddingsAsync(HttpContext context)
    {
        EmbedRequest template;
        string prompt;
        using (JsonDocument body = await OllamaRequest.ReadBodyAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            prompt = fields.String("prompt") ?? "";
            template = new EmbedRequest { Model = (await models.FindAsync(fields, context.RequestAborted)).Name };
        }

        EmbeddedInputs answer = await RunAsync(context, template, prompt.Length > 0 ? [prompt] : [], truncate: true, static _ => "prompt");
        await JsonResponse.WriteAsync(context, answer, static (json, answer) =>
        {
            json.WriteStartObject();
            json.WritePropertyName("embedding"u8);
            WriteVector(json, answer.Vectors.Count > 0 ? answer.Vectors[0] : new Embedding());
            json.WriteEndObject();
        });
    }

    private async Task<EmbeddedInputs> RunAsync(HttpContext context, EmbedRequest template, IReadOnlyList<string> inputs, bool truncate, Func<int, string> nameOf)
    {
        if (inputs.Count == 0)
        {
            return new EmbeddedInputs([], 0);
        }

        EmbedInput[] texts = [.. inputs.Select((input, i) => EmbeddingRequest.Text(input, nameOf(i)))];
        if (truncate)
        {
            template.TruncateTokens = -1;
        }

        return await batches.RunAsync(context, template, texts, nameOf);
    }

    private static void WriteVector(Utf8JsonWriter json, Embedding vector)
    {
        json.WriteStartArray();
        foreach (float value in vector.Values)
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
    }
}
