using System.Text.Json;
using HelixFlow.Gateway.Anthropic;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Models;

/// <summary><c>GET /v1/models</c> and <c>GET /v1/models/{id}</c>.</summary>
internal sealed class ModelEndpoints(IInferencePool pool, AnthropicModels anthropic)
{
    public async Task ListAsync(HttpContext context)
    {
        if (AnthropicClient.Sent(context.Request))
        {
            await anthropic.ListAsync(context);
            return;
        }

        ListModelsResponse list = await pool.ListModelsAsync(new ListModelsRequest(), context.RequestAborted);
        await JsonResponse.WriteAsync(context, list, static (json, list) =>
        {
            json.WriteStartObject();
            json.WriteString("object"u8, "list"u8);
            json.WriteStartArray("data"u8);
            foreach (ModelDescription model in list.Models)
            {
                Write(json, model);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    public async Task GetAsync(HttpContext context)
    {
        // Names may hold slashes, as Hugging Face repositories do. Clients escape them, and "%2F" is the one escape that the server's path keeps.
        string name = ((string?)context.Request.RouteValues["id"] ?? "").Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        ListModelsResponse list = await pool.ListModelsAsync(new ListModelsRequest(), context.RequestAborted);
        ModelDescription model = list.Models.FirstOrDefault(model => model.Name == name) ?? throw new OpenAiException(OpenAiError.ModelNotFound(name));
        await (AnthropicClient.Sent(context.Request) ? AnthropicModels.GetAsync(context, model) : JsonResponse.WriteAsync(context, model, Write));
    }

    // The first four keys are OpenAI's; the others are what this server knows besides, max_model_len under the name that vLLM gives it.
    private static void Write(Utf8JsonWriter json, ModelDescription model)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, model.Name);
        json.WriteString("object"u8, "model"u8);
        json.WriteNumber("created"u8, model.Created);
        json.WriteString("owned_by"u8, "helixflow"u8);
        json.WriteNumber("max_model_len"u8, model.ContextLength);
        json.WriteString("architecture"u8, model.Architecture);
        json.WriteString("weights"u8, model.Weights);
        json.WriteNumber("parameters"u8, model.Parameters);
        json.WriteBoolean("chat"u8, model.Chat);
        json.WriteString("kind"u8, model.Kind switch
        {
            ModelKind.Embed => "embed"u8,
            ModelKind.Rank => "rank"u8,
            _ => "generate"u8,
        });
        if (model.EmbeddingSize > 0)
        {
            json.WriteNumber("embedding_size"u8, model.EmbeddingSize);
        }

        json.WriteEndObject();
    }
}
