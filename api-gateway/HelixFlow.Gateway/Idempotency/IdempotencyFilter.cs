using System.Security.Cryptography;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace HelixFlow.Gateway.Idempotency;

/// <summary>
/// Honours <c>Idempotency-Key</c> on requests that post JSON: the same request again gets the same answer, also when that was streamed, and is
/// carried out once.
/// </summary>
/// <remarks>
/// Only answers that were finished and did not fail are kept. A request that failed, or whose client left before its end, is as if it had
/// never been made, so that trying again helps.
/// </remarks>
internal sealed class IdempotencyFilter(IdempotentRequests requests, GatewayOptions options) : IEndpointFilter
{
    private const int LongestKey = 255;

    private static readonly object _failed = new();

    /// <summary>Tells that an answer which has begun with a good status turned out to be an error, and must not be sent again.</summary>
    public static void MarkFailed(HttpContext context) => context.Items[_failed] = true;

    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        HttpContext context = invocation.HttpContext;
        string? key = context.Request.Headers["Idempotency-Key"];
        if (key is null || !HttpMethods.IsPost(context.Request.Method) || (context.Request.ContentType is not null && !context.Request.HasJsonContentType()))
        {
            return await next(invocation);
        }

        if (key.Length is 0 or > LongestKey)
        {
            throw new OpenAiException(OpenAiError.InvalidHeader("Idempotency-Key", $"it must have 1 to {LongestKey} characters"));
        }

        ReadOnlyMemory<byte> body = await RequestBody.BytesAsync(context, options);
        context.Request.Body = new MemoryStream(body.ToArray(), writable: false);
        var name = new IdempotencyName(BearerKey.ProjectOf(context), context.Request.Path + context.Request.QueryString, key);
        switch (requests.Begin(name, SHA256.HashData(body.Span), out RecordedAnswer? answer))
        {
            case IdempotencyOutcome.Answered:
                await ReplayAsync(context, answer!);
                return Results.Empty;
            case IdempotencyOutcome.InFlight:
                throw new OpenAiException(OpenAiError.IdempotencyInFlight);
            case IdempotencyOutcome.Mismatch:
                throw new OpenAiException(OpenAiError.IdempotencyMismatch);
            default:
                return await RunAsync(invocation, next, name);
        }
    }

    private async ValueTask<object?> RunAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next, IdempotencyName name)
    {
        HttpContext context = invocation.HttpContext;
        IHttpResponseBodyFeature original = context.Features.GetRequiredFeature<IHttpResponseBodyFeature>();
        using var recording = new RecordingStream(original.Stream, IdempotentRequests.MostAnswerBytes);
        var replaced = new StreamResponseBodyFeature(recording, original);
        context.Features.Set<IHttpResponseBodyFeature>(replaced);
        RecordedAnswer? answer = null;
        try
        {
            object? result = await next(invocation);
            await replaced.CompleteAsync();
            if (!context.RequestAborted.IsCancellationRequested && context.Response.StatusCode < 300 && !context.Items.ContainsKey(_failed) && recording.Recorded is { } body)
            {
                answer = new RecordedAnswer(context.Response.StatusCode, Described(context.Response.Headers), body);
            }

            return result;
        }
        finally
        {
            context.Features.Set(original);
            requests.End(name, answer);
        }
    }

    private static async Task ReplayAsync(HttpContext context, RecordedAnswer answer)
    {
        context.Response.StatusCode = answer.Status;
        context.Response.Headers["idempotency-replayed"] = "true";
        foreach ((string header, string value) in answer.Headers)
        {
            context.Response.Headers[header] = value;
        }

        await context.Response.BodyWriter.WriteAsync(answer.Body, context.RequestAborted);
    }

    private static List<KeyValuePair<string, string>> Described(IHeaderDictionary headers) =>
        [.. ((string[])["content-type", "cache-control", "x-accel-buffering"]).Where(headers.ContainsKey).Select(name => KeyValuePair.Create(name, headers[name].ToString()))];
}
