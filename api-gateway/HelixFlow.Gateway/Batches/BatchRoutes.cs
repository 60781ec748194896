using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace HelixFlow.Gateway.Batches;

/// <summary>Puts batches into the gateway.</summary>
internal static class BatchRoutes
{
    public static void AddBatches(this IServiceCollection services, BatchOptions options)
    {
        options.Validate();
        services.TryAddSingleton(options);
        services.TryAddSingleton<BatchStore>();
        services.TryAddSingleton<ModelSlots>();
        services.TryAddSingleton<BatchMetrics>();
        services.TryAddSingleton<BatchDispatcher>();
        services.TryAddSingleton<BatchValidation>();
        services.TryAddSingleton<BatchExecution>();
        services.TryAddSingleton<BatchFinish>();
        services.TryAddSingleton<BatchRunner>();
        services.TryAddSingleton<BatchEndpoints>();
        services.AddHostedService(static provider => provider.GetRequiredService<BatchRunner>());
    }

    public static void MapBatches(this RouteGroupBuilder api)
    {
        api.MapPost("/batches", static (HttpContext context, BatchEndpoints batches) => batches.CreateAsync(context));
        api.MapGet("/batches", static (HttpContext context, BatchEndpoints batches) => batches.ListAsync(context));
        api.MapGet("/batches/{id}", static (HttpContext context, BatchEndpoints batches) => batches.GetAsync(context));
        api.MapPost("/batches/{id}/cancel", static (HttpContext context, BatchEndpoints batches) => batches.CancelAsync(context));
    }
}
