using System.Text.Json;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Ollama;

/// <summary><c>/api/tags</c>, <c>/api/ps</c>, <c>/api/show</c> and <c>/api/version</c> of Ollama's API: what there is, from what nodes report.</summary>
internal sealed class OllamaModelEndpoints(IInferencePool pool, OllamaModels models, GatewayOptions options)
{
    // Models stay until their memory is needed for others. Clients show a time this far away as "forever".
    private const string Never = "9999-12-31T23:59:59Z";

    private static readonly string _version = typeof(OllamaModelEndpoints).Assembly.GetName().Version!.ToString(3);

    public async Task TagsAsync(HttpContext context)
    {
        ListModelsResponse list = await pool.ListModelsAsync(new ListModelsRequest(), context.RequestAborted);
        await JsonResponse.WriteAsync(context, list, static (json, list) =>
        {
            json.WriteStartObject();
            json.WriteStartArray("models"u8);
            foreach (ModelDescription model in list.Models)
            {
                json.WriteStartObject();
                OllamaModels.WriteListed(json, model);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    public async Task RunningAsync(HttpContext context)
    {
        NodeState state = await pool.GetStateAsync(new GetStateRequest(), context.RequestAborted);
        await JsonResponse.WriteAsync(context, state, static (json, state) =>
        {
            json.WriteStartObject();
            json.WriteStartArray("models"u8);
            foreach (ModelState model in state.Models.Where(static model => model.Phase == ModelPhase.Resident && model.Description is not null))
            {
                json.WriteStartObject();
                OllamaModels.WriteListed(json, model.Description);
                json.WriteString("expires_at"u8, Never);
                bool isOnProcessor = model.DeviceIds.All(static id => id.StartsWith("cpu", StringComparison.Ordinal));
                json.WriteNumber("size_vram"u8, isOnProcessor ? 0 : model.MemoryBytes);
                json.WriteNumber("context_length"u8, model.Description.ContextLength);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    public async Task ShowAsync(HttpContext context)
    {
        ModelDescription model;
        using (JsonDocument body = await OllamaRequest.ReadBodyAsync(context, options))
        {
            model = await models.FindAsync(new RequestFields(body.RootElement), context.RequestAborted);
        }

        await JsonResponse.WriteAsync(context, model, static (json, model) =>
        {
            json.WriteStartObject();
            json.WriteString("modelfile"u8, $"FROM {model.Name}\n");
            json.WriteString("parameters"u8, ""u8);
            json.WriteString("template"u8, ""u8); // it stays with the node, and is none of Ollama's kind
            OllamaModels.WriteDetails(json, model);
            json.WriteStartObject("model_info"u8);
            json.WriteString("general.architecture"u8, model.Architecture);
            json.WriteNumber("general.parameter_count"u8, model.Parameters);
            json.WriteNumber(model.Architecture + ".context_length", model.ContextLength);
            json.WriteNumber(model.Architecture + ".embedding_length", model.EmbeddingSize);
            json.WriteNumber(model.Architecture + ".block_count", model.BlockCount);
            json.WriteEndObject();
            json.WriteStartArray("capabilities"u8);
            foreach (string capability in OllamaModels.Capabilities(model))
            {
                json.WriteStringValue(capability);
            }

            json.WriteEndArray();
            json.WriteString("modified_at"u8, OllamaModels.ModifiedAt(model));
            json.WriteEndObject();
        });
    }

    public static Task VersionAsync(HttpContext context) => JsonResponse.WriteAsync(context, _version, static (json, version) =>
    {
        json.WriteStartObject();
        json.WriteString("version"u8, version);
        json.WriteEndObject();
    });
}
