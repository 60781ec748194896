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
        RouteGroupBuilder stores = api.MapGroup("/vector_stores");
        stores.MapPost("", static (HttpContext context, VectorStoreEndpoints endpoints) => endpoints.CreateAsync(context));
        stores.MapGet("", static (HttpContext context, VectorStoreEndpoints endpoints) => endpoints.ListAsync(context));
        stores.MapGet("/{id}", static (HttpContext context, VectorStoreEndpoints endpoints) => endpoints.GetAsync(context));
        stores.MapPost("/{id}", static (HttpContext context, VectorStoreEndpoints endpoints) => endpoints.UpdateAsync(context));
        stores.MapDelete("/{id}", static (HttpContext context, VectorStoreEndpoints endpoints) => endpoints.DeleteAsync(context));
        stores.MapPost("/{id}/search", static (HttpContext context, VectorStoreEndpoints endpoints) => endpoints.SearchAsync(context));
        stores.MapPost("/{id}/files", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.CreateAsync(context));
        stores.MapGet("/{id}/files", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.ListAsync(context));
        stores.MapGet("/{id}/files/{file}", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.GetAsync(context));
        stores.MapPost("/{id}/files/{file}", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.UpdateAsync(context));
        stores.MapDelete("/{id}/files/{file}", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.DeleteAsync(context));
        stores.MapGet("/{id}/files/{file}/content", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.ContentAsync(context));
        stores.MapPost("/{id}/file_batches", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.CreateBatchAsync(context));
        stores.MapGet("/{id}/file_batches/{batch}", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.GetBatchAsync(context));
        stores.MapPost("/{id}/file_batches/{batch}/cancel", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.CancelBatchAsync(context));
        stores.MapGet("/{id}/file_batches/{batch}/files", static (HttpContext context, StoreFileEndpoints endpoints) => endpoints.ListBatchAsync(context));
    }
}
