using System.Data.Common;
using System.Globalization;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Metrics;
using HelixFlow.Gateway.Requests;
using HelixFlow.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

namespace HelixFlow.Gateway;

/// <summary>What surrounds every request: its id, the time it took, the count of its response, and its errors in the form of its API.</summary>
internal sealed class RequestBoundary(RequestDelegate next, GatewayOptions options, GatewayMetrics metrics, TimeProvider time, ILogger<RequestBoundary> logger)
{
    // The version of the API that OpenAI's own answers name.
    private const string ApiVersion = "2020-10-01";

    private const string OutsideOfEncoding = "22021"; // of SQL's standard; PostgreSQL says it of U+0000 alone, as texts are valid otherwise
    private const int LongestClientId = 512;

    public async Task InvokeAsync(HttpContext context)
    {
        long start = time.GetTimestamp();
        context.TraceIdentifier = ObjectId.Request();
        IHeaderDictionary headers = context.Response.Headers;
        headers["x-request-id"] = context.TraceIdentifier;
        headers["openai-version"] = ApiVersion;
        headers.XContentTypeOptions = "nosniff";
        if (ErrorForms.Of(context.Request) == ErrorForm.Anthropic)
        {
            headers["request-id"] = context.TraceIdentifier; // where its clients look
        }

        context.Response.OnStarting(() =>
        {
            headers["openai-processing-ms"] = ((long)time.GetElapsedTime(start).TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
            return Task.CompletedTask;
        });
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = options.MaxBodyBytes;
        }

        if (HttpMethods.IsHead(context.Request.Method))
        {
            context.Request.Method = HttpMethods.Get; // the server leaves the body out
        }

        try
        {
            CheckClientId(context);
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
        catch (BadHttpRequestException exception) when (!context.Response.HasStarted)
        {
            await OpenAiErrorWriter.WriteAsync(context, OpenAiError.BadHttp(exception, options.MaxBodyBytes));
        }
        catch (DbException exception) when (exception.SqlState == OutsideOfEncoding && !context.Response.HasStarted)
        {
            await OpenAiErrorWriter.WriteAsync(context, OpenAiError.Invalid("A text of the request has the character U+0000, which the server's database cannot hold.", null, "invalid_value"));
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
            LogEnd(context, route);
        }
    }

    // What OpenAI's clients send to find a request again, its answer lost.
    private static void CheckClientId(HttpContext context)
    {
        if (context.Request.Headers["X-Client-Request-Id"] is [{ } id] && (id.Length > LongestClientId || id.Any(static c => !char.IsAscii(c) || char.IsControl(c))))
        {
            throw new OpenAiException(OpenAiError.InvalidHeader("X-Client-Request-Id", $"it must have at most {LongestClientId} ASCII characters"));
        }
    }

    // Routing answers unknown paths and methods with a status alone.
    private static Task ExplainEmptyErrorAsync(HttpContext context)
    {
        if (context.Response.HasStarted || context.Response.ContentType is not null)
        {
            return Task.CompletedTask;
        }

        switch (context.Response.StatusCode)
        {
            case StatusCodes.Status404NotFound:
                return OpenAiErrorWriter.WriteAsync(context, OpenAiError.UnknownUrl(context.Request.Method, context.Request.Path));
            case StatusCodes.Status405MethodNotAllowed when HttpMethods.IsOptions(context.Request.Method):
                context.Response.StatusCode = StatusCodes.Status204NoContent; // the header Allow is what was asked for
                context.Response.Headers.Allow = string.Join(", ", Methods(context.Response.Headers.Allow));
                return Task.CompletedTask;
            case StatusCodes.Status405MethodNotAllowed:
                return OpenAiErrorWriter.WriteAsync(context, OpenAiError.WrongMethod(context.Request.Method, context.Request.Path));
            default:
                return Task.CompletedTask;
        }
    }

    private void LogEnd(HttpContext context, string route)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            IHeaderDictionary headers = context.Request.Headers;
            GatewayLog.RequestEnded(
                logger, context.TraceIdentifier, context.Request.Method, route, context.Response.StatusCode, OneLine(headers["X-Client-Request-Id"]),
                OneLine(headers["OpenAI-Organization"]), OneLine(headers["OpenAI-Project"]));
        }
    }

    // A client's text must not be able to write lines of its own.
    private static string OneLine(string? text) =>
        text is null ? "-" : new string([.. text.Take(LongestClientId).Select(static c => char.IsControl(c) ? '?' : c)]);

    // CONNECT is how HTTP/2 opens a WebSocket, and no method for a client to send.
    private static IEnumerable<string> Methods(StringValues allow) =>
        allow.ToString().Split(',', StringSplitOptions.TrimEntries).Where(static method => !HttpMethods.IsConnect(method));
}
