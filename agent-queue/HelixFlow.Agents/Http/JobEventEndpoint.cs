using System.Globalization;
using System.Text;
using HelixFlow.Agents.Journal;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace HelixFlow.Agents.Http;

/// <summary><c>GET /jobs/{id}/events</c>: what happens to a job, as server-sent events whose ids are the journal's own numbers.</summary>
/// <remarks>
/// A client that lost its connection names the last number it has and gets what follows it: no event is lost or comes twice. The stream ends after the last event of a job
/// that has ended.
/// </remarks>
internal sealed class JobEventEndpoint(Journal.Journal journal, JobFeed feed, IHostApplicationLifetime lifetime)
{
    public async Task HandleAsync(HttpContext context, string id)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        string project = AgentBoundary.ProjectOf(context);
        long sent = After(context);
        RunRecord run = await journal.GetAsync(project, id, stop.Token) ?? throw AgentProblem.UnknownJob(id).AsException();
        if (sent > run.LastEvent)
        {
            throw AgentProblem.WrongParameter("Last-Event-ID", $"The job {id} has no event {sent} yet, its last one is {run.LastEvent}: the number is that of another job's event.").AsException();
        }

        if (run.HasEnded && sent == run.LastEvent)
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent; // which tells clients not to connect again
            return;
        }

        context.Response.ContentType = "text/event-stream; charset=utf-8";
        context.Response.Headers.CacheControl = "no-cache";
        context.Response.Headers["x-accel-buffering"] = "no";
        await context.Response.StartAsync(stop.Token);
        await context.Response.Body.FlushAsync(stop.Token);
        try
        {
            await FollowAsync(context.Response.Body, project, id, sent, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The client left, or the server stops: it connects again and names its last event.
        }
    }

    private async Task FollowAsync(Stream output, string project, string id, long sent, CancellationToken cancellationToken)
    {
        await foreach (List<NumberedEvent> page in feed.EventsAsync(project, id, sent, cancellationToken))
        {
            if (page.Count == 0)
            {
                await output.WriteAsync(": keep-alive\n\n"u8.ToArray(), cancellationToken);
                await output.FlushAsync(cancellationToken);
            }
            else
            {
                await SendAsync(output, page, cancellationToken);
            }
        }
    }

    private static async Task SendAsync(Stream output, List<NumberedEvent> events, CancellationToken cancellationToken)
    {
        using var buffer = new MemoryStream();
        foreach (NumberedEvent happened in events)
        {
            buffer.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"id: {happened.Number}\nevent: {Words.Of(happened.Event.Kind)}\ndata: ")));
            buffer.Write(AgentResponse.Bytes(JobJson.Of(happened)));
            buffer.Write("\n\n"u8);
        }

        await output.WriteAsync(buffer.GetBuffer().AsMemory(0, (int)buffer.Length), cancellationToken);
        await output.FlushAsync(cancellationToken);
    }

    private static long After(HttpContext context)
    {
        string text = context.Request.Headers["Last-Event-ID"].ToString();
        string name = text.Length > 0 ? "Last-Event-ID" : "after";
        text = text.Length > 0 ? text : context.Request.Query["after"].ToString();
        return text.Length == 0 ? 0
            : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number
            : throw AgentProblem.WrongParameter(name, $"'{name}' must be the number of an event.").AsException();
    }
}
