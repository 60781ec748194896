using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace HelixFlow.Gateway.Responses;

/// <summary><c>/v1/responses</c>: create, follow, fetch, cancel and delete responses, list what they were made from, and count tokens.</summary>
internal sealed class ResponseEndpoints(
    MeasuredPool pool, ResponseRuns runs, ResponseStore store, ResponseReader reader, GatewayOptions options, TimeProvider time)
{
    // At what another gateway runs.
    private const int MostLooks = 40;
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(250);

    public static void Map(RouteGroupBuilder api)
    {
        api.MapPost("/responses", static (HttpContext context, ResponseEndpoints endpoints) => endpoints.CreateAsync(context));
        api.MapPost("/responses/input_tokens", static (HttpContext context, ResponseEndpoints endpoints) => endpoints.CountAsync(context));
        api.MapPost("/responses/compact", static (HttpContext _) => Compact());
        api.MapGet("/responses/{id}", static (HttpContext context, string id, ResponseEndpoints endpoints) => endpoints.GetAsync(context, id));
        api.MapDelete("/responses/{id}", static (HttpContext context, string id, ResponseEndpoints endpoints) => endpoints.DeleteAsync(context, id));
        api.MapPost("/responses/{id}/cancel", static (HttpContext context, string id, ResponseEndpoints endpoints) => endpoints.CancelAsync(context, id));
        api.MapGet("/responses/{id}/input_items", static (HttpContext context, string id, ResponseEndpoints endpoints) => endpoints.InputItemsAsync(context, id));
    }

    private async Task CreateAsync(HttpContext context)
    {
        string project = BearerKey.ProjectOf(context);
        ResponseRequest request;
        string text;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            request = await reader.RequestAsync(project, body.RootElement, null, context.RequestAborted);
            text = request.Background ? body.RootElement.GetRawText() : "";
        }

        if (request.Background)
        {
            await ModelField.CheckServedAsync(pool, request.Generate.Model, context.RequestAborted);
        }

        ResponseContext items = await reader.ContextAsync(project, request, context.RequestAborted);
        ResponseRun run = await runs.StartAsync(project, context.TraceIdentifier, request, items, text, context.RequestAborted);
        if (request.Background)
        {
            await (request.Stream ? FollowAsync(context, run, 0) : WriteAsync(context, run.Queued));
            return;
        }

        await using CancellationTokenRegistration leaving = context.RequestAborted.Register(static run => ((ResponseRun)run!).End(RunEnd.Cancelled), run);
        if (request.Stream)
        {
            (EventStream? begun, bool isAccepted) = await ResponseStream.AcceptAsync(context, run, options, time);
            using EventStream stream = begun ?? EventStream.Start(context);
            if (isAccepted)
            {
                await ResponseStream.FollowAsync(context, stream, run, 0, options, time);
            }

            return;
        }

        await run.Accepted;
        await run.Completed;
        context.RequestAborted.ThrowIfCancellationRequested();
        if (run.Failure is { } failure)
        {
            throw new OpenAiException(failure);
        }

        await WriteAsync(context, run.Snapshot);
    }

    private async Task GetAsync(HttpContext context, string id)
    {
        string project = BearerKey.ProjectOf(context);
        (bool isStream, int after) = ReadStream(context.Request);
        ResponseRun? run = runs.Find(project, id);
        if (!isStream)
        {
            // One that is run again after a restart has nothing to show before it begins.
            await WriteAsync(context, run is { IsStored: true, Snapshot: { Length: > 0 } shown } ? shown : Encoding.UTF8.GetBytes((await FindAsync(project, id, context)).Body));
        }
        else if (run is { IsStored: true })
        {
            CheckStreamed(run.IsStreamed, id);
            await FollowAsync(context, run, after + 1);
        }
        else
        {
            StoredResponse stored = await FindAsync(project, id, context);
            CheckStreamed(stored.IsStreamed, id);
            await FollowStoredAsync(context, stored, after);
        }
    }

    // What is there; and, while another gateway runs the response, what comes.
    private async Task FollowStoredAsync(HttpContext context, StoredResponse stored, int after)
    {
        EventStream? begun = null;
        try
        {
            for (StoredResponse? now = stored; now is not null; now = await store.FindAsync(stored.Project, stored.Id, context.RequestAborted))
            {
                List<byte[]> events = await store.EventsAsync(stored.Id, after, context.RequestAborted);
                EventStream stream = begun ??= EventStream.Start(context);
                foreach (byte[] data in events)
                {
                    stream.Add(ResponseEvents.TypeOf(data), data);
                    if (stream.IsFull)
                    {
                        await stream.FlushAsync();
                    }
                }

                after += events.Count;
                await stream.FlushAsync();
                if (now.Status is not ("queued" or "in_progress"))
                {
                    return;
                }

                await Task.Delay(LookInterval, time, context.RequestAborted);
            }
        }
        finally
        {
            begun?.Dispose();
        }
    }

    private async Task DeleteAsync(HttpContext context, string id)
    {
        string project = BearerKey.ProjectOf(context);
        if (runs.Find(project, id) is { IsStored: true } run)
        {
            run.End(RunEnd.Deleted);
            await run.Completed;
            await store.DeleteAsync(project, id, context.RequestAborted);
        }
        else if (!await store.DeleteAsync(project, id, context.RequestAborted))
        {
            throw new OpenAiException(OpenAiError.ResponseNotFound(id));
        }

        await DeletedJson.WriteAsync(context, id, "response.deleted");
    }

    private async Task CancelAsync(HttpContext context, string id)
    {
        string project = BearerKey.ProjectOf(context);
        ResponseRun? run = runs.Find(project, id);
        if (run is { IsBackground: true })
        {
            run.End(RunEnd.Cancelled);
            await run.Completed;
            await WriteAsync(context, run.Snapshot);
            return;
        }

        StoredResponse? stored = run is { IsStored: true } ? null : await FindAsync(project, id, context);
        if (stored is not { IsBackground: true })
        {
            throw new OpenAiException(OpenAiError.Invalid("Cannot cancel a synchronous response.", null));
        }

        // Another gateway runs it, or none yet: whoever does is asked, and looks once a second.
        for (int look = 0; look < MostLooks && stored.Status is ("queued" or "in_progress"); look++)
        {
            if (look == 0)
            {
                await store.AskToCancelAsync(id, context.RequestAborted);
            }

            await Task.Delay(LookInterval, time, context.RequestAborted);
            stored = await FindAsync(project, id, context);
        }

        await WriteAsync(context, Encoding.UTF8.GetBytes(stored.Body));
    }

    private async Task InputItemsAsync(HttpContext context, string id)
    {
        string project = BearerKey.ProjectOf(context);
        PageQuery page = PageQuery.Read(context.Request, newestFirst: true);
        await FindAsync(project, id, context);
        List<StoredItem> items = await store.InputAsync(project, id, context.RequestAborted) ?? throw new OpenAiException(OpenAiError.ResponseNotFound(id));
        await ListJson.WriteAsync(context, page.Of(items, static item => item.Id));
    }

    private async Task CountAsync(HttpContext context)
    {
        string project = BearerKey.ProjectOf(context);
        ResponseRequest request;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            request = await reader.RequestAsync(project, body.RootElement, await ModelField.ReadAsync(new RequestFields(body.RootElement), pool, context.RequestAborted), context.RequestAborted);
        }

        ResponseContext items = await reader.ContextAsync(project, request, context.RequestAborted);
        ChatPrompt prompt = ResponsePrompt.Of(request, [.. items.Before, .. items.Input]);
        CountTokensResponse count;
        try
        {
            count = await pool.CountTokensAsync(new CountTokensRequest { Model = request.Generate.Model, Chat = prompt }, context.RequestAborted);
        }
        catch (InferenceException exception)
        {
            throw new OpenAiException(OpenAiError.Of(exception, "input"), exception);
        }

        await JsonResponse.WriteAsync(context, count.Tokens, static (json, tokens) =>
        {
            json.WriteStartObject();
            json.WriteString("object"u8, "response.input_tokens"u8);
            json.WriteNumber("input_tokens"u8, tokens);
            json.WriteEndObject();
        });
    }

    private static Task Compact() => throw new OpenAiException(new OpenAiError(
        StatusCodes.Status501NotImplemented, "invalid_request_error", "Compaction is not supported by this server. Use 'truncation': 'auto', or send fewer items.", Code: "unsupported"));

    // A client that leaves ends nothing: the response belongs to nobody's connection.
    private async Task FollowAsync(HttpContext context, ResponseRun run, int next)
    {
        using EventStream stream = EventStream.Start(context);
        await ResponseStream.FollowAsync(context, stream, run, next, options, time);
    }

    private async Task<StoredResponse> FindAsync(string project, string id, HttpContext context) =>
        await store.FindAsync(project, id, context.RequestAborted) ?? throw new OpenAiException(OpenAiError.ResponseNotFound(id));

    private static (bool IsStream, int After) ReadStream(HttpRequest request)
    {
        bool isStream = request.Query["stream"].ToString() switch
        {
            "" or "false" => false,
            "true" => true,
            string other => throw RequestFields.Invalid("stream", $"Invalid value: '{other}'. Supported values are: 'true' and 'false'.", "invalid_value"),
        };
        if (request.Query["starting_after"] is not [{ Length: > 0 } text])
        {
            return (isStream, -1);
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int after) && after < int.MaxValue
            ? isStream ? (true, after) : throw RequestFields.Invalid("starting_after", "The 'starting_after' parameter is only allowed when 'stream' is enabled.", "invalid_value")
            : throw RequestFields.Invalid("starting_after", $"Invalid 'starting_after': expected the number of an event, but got '{text}' instead.", "invalid_value");
    }

    private static void CheckStreamed(bool isStreamed, string id)
    {
        if (!isStreamed)
        {
            throw RequestFields.Invalid("stream", $"Response with id '{id}' cannot be streamed: it was not created with 'stream' set to true.", "invalid_value");
        }
    }

    private static async Task WriteAsync(HttpContext context, byte[] body)
    {
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.Length;
        await context.Response.BodyWriter.WriteAsync(body, context.RequestAborted);
    }
}
