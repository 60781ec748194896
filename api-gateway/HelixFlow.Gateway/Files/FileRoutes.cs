using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace HelixFlow.Gateway.Files;

/// <summary>Puts files and uploads into the gateway.</summary>
internal static class FileRoutes
{
    public static void AddFiles(this IServiceCollection services, FileStoreOptions options)
    {
        services.TryAddSingleton(options);
        services.TryAddSingleton<FileStore>();
        services.TryAddSingleton<UploadStore>();
        services.TryAddSingleton<FileEndpoints>();
        services.TryAddSingleton<UploadEndpoints>();
        services.AddHostedService<FileSweeper>();
    }

    public static void MapFiles(this RouteGroupBuilder api)
    {
        api.MapPost("/files", static (HttpContext context, FileEndpoints files) => files.CreateAsync(context));
        api.MapGet("/files", static (HttpContext context, FileEndpoints files) => files.ListAsync(context));
        api.MapGet("/files/{id}", static (HttpContext context, FileEndpoints files) => files.GetAsync(context));
        api.MapDelete("/files/{id}", static (HttpContext context, FileEndpoints files) => files.DeleteAsync(context));
        api.MapGet("/files/{id}/content", static (HttpContext context, FileEndpoints files) => files.ContentAsync(context));
        api.MapPost("/uploads", static (HttpContext context, UploadEndpoints uploads) => uploads.CreateAsync(context));
        api.MapPost("/uploads/{id}/parts", static (HttpContext context, UploadEndpoints uploads) => uploads.AddPartAsync(context));
        api.MapPost("/uploads/{id}/complete", static (HttpContext context, UploadEndpoints uploads) => uploads.CompleteAsync(context));
        api.MapPost("/uploads/{id}/cancel", static (HttpContext context, UploadEndpoints uploads) => uploads.CancelAsync(context));
    }
}
