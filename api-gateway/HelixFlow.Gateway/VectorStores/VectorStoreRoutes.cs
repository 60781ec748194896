using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>Puts vector stores into the gateway.</summary>
internal static class VectorStoreRoutes
{
    public static void AddVectorStores(this IServiceCollection services, VectorStoreOptions options)
    {
        services.TryAddSingleton(options);
        services.TryAddSingleton(new SegmentCache(options.CacheBytes));
        services.TryAddSingleton<VectorCatalog>();
        services.TryAddSingleton<TextEmbedder>();
        services.TryAddSingleton<IngestionStore>();
        services.TryAddSingleton<Ingestion>();
        services.TryAddSingleton<IngestionQueue>();
        services.TryAddSingleton<StoreSearch>();
        services.TryAddSingleton<VectorStoreEndpoints>();
        services.TryAddSingleton<StoreFileEndpoints>();
        services.AddHostedService(static provider => provider.GetRequiredService<IngestionQueue>());
    }

    public static void MapVectorStores(this RouteGroupBuilder api)
    {
        api.MapPost("/vector_stores", static (HttpContext context, VectorStoreEndpoints endpoints) => endpoints.CreateAsync(context));
        api.MapGet("/vector_stores", static (HttpContext context, VectorStoreEndpoints endpoints) => endpoints.ListAsync(context));
        api.MapGet("/vector_stores/{id}", static (HttpContext context, VectorStoreEndpoints endpoints) => endpoints.GetAsync(context));
        api.MapPost("/vector_stores/{id}", static (HttpContext context, VectorStoreEndpoints endpoints) => endpoints.UpdateAsync(context));
        api.MapDelete("/vector_stores/{id}", static (HttpContext context, VectorStoreEndpoints endpoints) => endpoints.DeleteAsync(context));
        api.MapPost("/vector_stores/{id}/search", static (HttpContext context, VectorStoreEndpoints endpoints) => endpoints.SearchAsync(context));
        api.MapPost("/vector_stores/{id}/files", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.CreateAsync(context));
        api.MapGet("/vector_stores/{id}/files", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.ListAsync(context));
        api.MapGet("/vector_stores/{id}/files/{file}", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.GetAsync(context));
        api.MapPost("/vector_stores/{id}/files/{file}", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.UpdateAsync(context));
        api.MapDelete("/vector_stores/{id}/files/{file}", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.DeleteAsync(context));
        api.MapGet("/vector_stores/{id}/files/{file}/content", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.ContentAsync(context));
        api.MapPost("/vector_stores/{id}/file_batches", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.CreateBatchAsync(context));
        api.MapGet("/vector_stores/{id}/file_batches/{batch}", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.GetBatchAsync(context));
        api.MapPost("/vector_stores/{id}/file_batches/{batch}/cancel", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.CancelBatchAsync(context));
        api.MapGet("/vector_stores/{id}/file_batches/{batch}/files", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.ListBatchAsync(context));
    }
}
