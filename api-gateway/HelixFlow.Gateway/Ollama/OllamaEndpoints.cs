using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace HelixFlow.Gateway.Ollama;

/// <summary>Ollama's API under <c>/api</c>; <c>/api/v1</c> is the platform's own.</summary>
internal static class OllamaEndpoints
{
    public static void AddOllama(this IServiceCollection services)
    {
        services.TryAddSingleton<OllamaModels>();
        services.TryAddSingleton<OllamaGenerationEndpoint>();
        services.TryAddSingleton<OllamaModelEndpoints>();
        services.TryAddSingleton<OllamaEmbedEndpoint>();
        services.TryAddSingleton<OllamaStoreEndpoints>();
    }

    public static void MapOllama(this RouteGroupBuilder api)
    {
        api.MapPost("/chat", static (HttpContext context, OllamaGenerationEndpoint endpoint) => endpoint.ChatAsync(context));
        api.MapPost("/generate", static (HttpContext context, OllamaGenerationEndpoint endpoint) => endpoint.GenerateAsync(context));
        api.MapPost("/embed", static (HttpContext context, OllamaEmbedEndpoint endpoint) => endpoint.EmbedAsync(context));
        api.MapPost("/embeddings", static (HttpContext context, OllamaEmbedEndpoint endpoint) => endpoint.EmbeddingsAsync(context));
        api.MapGet("/tags", static (HttpContext context, OllamaModelEndpoints models) => models.TagsAsync(context));
        api.MapGet("/ps", static (HttpContext context, OllamaModelEndpoints models) => models.RunningAsync(context));
        api.MapPost("/show", static (HttpContext context, OllamaModelEndpoints models) => models.ShowAsync(context));
        api.MapGet("/version", static (HttpContext context) => OllamaModelEndpoints.VersionAsync(context));
        api.MapPost("/pull", static (HttpContext context, OllamaStoreEndpoints store) => store.PullAsync(context));
        api.MapPost("/push", static (HttpContext context) => OllamaStoreEndpoints.RefuseAsync(context));
        api.MapPost("/create", static (HttpContext context) => OllamaStoreEndpoints.RefuseAsync(context));
        api.MapPost("/copy", static (HttpContext context) => OllamaStoreEndpoints.RefuseAsync(context));
        api.MapDelete("/delete", static (HttpContext context) => OllamaStoreEndpoints.RefuseAsync(context));
    }
}
