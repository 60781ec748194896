using System.Globalization;
using System.Security.Cryptography;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Metrics;
using HelixFlow.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway;

/// <summary>What surrounds every request: its id, the time it took, the count of its response, and its errors in the API's form.</summary>
internal sealed class RequestBoundary(RequestDelegate next, GatewayOptions options, GatewayMetrics metrics, TimeProvider time, ILogger<RequestBoundary> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        long start = time.GetTimestamp();
        context.TraceIdentifier = "req_" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12));
        context.Response.Headers["x-request-id"] = context.TraceIdentifier;
        context.Response.OnStarting(() =>
        {
            context.Response.Headers["openai-processing-ms"] = ((long)time.GetElapsedTime(start).TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
            return Task.CompletedTask;
        });
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = options.MaxBodyBytes;
        }

        try
        {
            await next(context);
            await ExplainEmptyErrorAsync(context);
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException && context.RequestAborted.IsCancellationRequested)
        {
            // The client left; nobody reads an answer.
        }
        catch (OpenAiException exception) when (!context.Response.HasStarted)
        {
            await OpenAiErrorWriter.WriteAsync(context, exception.Error);
        }
        catch (StorageException exception) when (!context.Response.HasStarted)
        {
            GatewayLog.RequestFailed(logger, context.TraceIdentifier, exception);
            await OpenAiErrorWriter.WriteAsync(context, Files.FileErrors.Of(exception));
        }
        catch (Exception exception) when (!context.Response.HasStarted)
        {
            GatewayLog.RequestFailed(logger, context.TraceIdentifier, exception);
            await OpenAiErrorWriter.WriteAsync(context, OpenAiError.Unexpected);
        }
        finally
        {
            string route = (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "unknown";
            metrics.Count(route, context.Response.StatusCode);
        }
    }

    // Routing answers unknown paths and methods with a status alone.
    private static Task ExplainEmptyErrorAsync(HttpContext context)
    {
        if (context.Response.HasStarted || context.Response.ContentType is not null)
        {
            return Task.CompletedTask;
        }

        return context.Response.StatusCode switch
        {
            StatusCodes.Status404NotFound => OpenAiErrorWriter.WriteAsync(context, OpenAiError.UnknownUrl(context.Request.Method, context.Request.Path)),
            StatusCodes.Status405MethodNotAllowed => OpenAiErrorWriter.WriteAsync(context, OpenAiError.WrongMethod(context.Request.Method, context.Request.Path)),
            _ => Task.CompletedTask,
        };
    }
}
