using System.Security.Cryptography;
using System.Text.Json;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Errors;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Batches;

/// <summary>What an endpoint answered a request of a batch.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="RequestId">As in the header x-request-id.</param>
/// <param name="Body">One JSON value without line breaks.</param>
/// <param name="Usage">What the answer says that it has used.</param>
/// <param name="RetryAfter">How long to wait before trying again, where the answer says it.</param>
internal sealed record BatchAnswer(int Status, string RequestId, ReadOnlyMemory<byte> Body, BatchUsage Usage, TimeSpan? RetryAfter);

/// <summary>Runs a request through the endpoint that HTTP clients reach by its path, so that its answer is theirs to the byte. Thread-safe.</summary>
internal sealed class BatchDispatcher(IServiceScopeFactory scopes, EndpointDataSource endpoints, ILogger<BatchDispatcher> logger)
{
    /// <summary>The paths that batches may use, as far as this server has them.</summary>
    public static IReadOnlyList<string> Paths { get; } = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"];

    /// <summary>Whether the server has such an endpoint.</summary>
    public bool Has(string path) => Paths.Contains(path) && Find(path) is not null;

    /// <param name="path">One of <see cref="Paths"/> that the server has.</param>
    /// <param name="project">Who the request is accounted to.</param>
    /// <param name="body">JSON.</param>
    /// <param name="cancellationToken">Ends the request as a client that leaves does.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task<BatchAnswer> RunAsync(string path, string project, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        await using AsyncServiceScope scope = scopes.CreateAsyncScope();
        var output = new MemoryStream();
        string requestId = "req_" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12));
        var context = new DefaultHttpContext
        {
            RequestServices = scope.ServiceProvider,
            TraceIdentifier = requestId,
            RequestAborted = cancellationToken,
            Request = { Method = HttpMethods.Post, Scheme = "http", Path = path, ContentType = "application/json", ContentLength = body.Length, Body = new MemoryStream(body.ToArray(), writable: false) },
            Response = { Body = output },
        };
        RouteEndpoint endpoint = Find(path) ?? throw new InvalidOperationException($"There is no endpoint {path}.");
        context.SetEndpoint(endpoint);
        BearerKey.Admit(context, project);
        try
        {
            await endpoint.RequestDelegate!(context);
        }
        catch (OpenAiException exception)
        {
            await OpenAiErrorWriter.WriteAsync(context, exception.Error);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            GatewayLog.RequestFailed(logger, requestId, exception);
            await OpenAiErrorWriter.WriteAsync(context, OpenAiError.Unexpected);
        }

        cancellationToken.ThrowIfCancellationRequested();
        await context.Response.BodyWriter.FlushAsync(cancellationToken);
        ReadOnlyMemory<byte> answer = output.GetBuffer().AsMemory(0, (int)output.Length);
        using var json = JsonDocument.Parse(answer);
        return new BatchAnswer(context.Response.StatusCode, requestId, answer, BatchUsage.Of(json.RootElement), RetryAfterOf(context.Response));
    }

    private static TimeSpan? RetryAfterOf(HttpResponse response) =>
        long.TryParse(response.Headers["retry-after-ms"].ToString(), out long milliseconds) ? TimeSpan.FromMilliseconds(milliseconds) : null;

    private RouteEndpoint? Find(string path) => endpoints.Endpoints.OfType<RouteEndpoint>().FirstOrDefault(
        endpoint => endpoint.RoutePattern.RawText == path && endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods.Contains(HttpMethods.Post) == true);
}
