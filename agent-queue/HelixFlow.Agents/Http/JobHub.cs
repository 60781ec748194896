using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;
using HelixFlow.Storage;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Http;

/// <summary>The SignalR hub: what the event streams over HTTP tell, any number of them over one connection.</summary>
/// <remarks>Its method names are those that clients call. A stream ends with its job, with the connection, or when the client ends it.</remarks>
internal sealed partial class JobHub(Journal.Journal journal, JobFeed feed, TimeProvider time, ILogger<JobHub> logger) : Hub
{
    // Each stream reads the journal now and then.
    private const int MostStreams = 100;

    private static readonly object StreamsKey = new();

    private string Project => AgentBoundary.ProjectOf(Context.User!);

    /// <inheritdoc />
    public override Task OnConnectedAsync()
    {
        Context.Items[StreamsKey] = new StreamCount();
        return base.OnConnectedAsync();
    }

    /// <summary>The events of a job after the one with a number (0 for all), each as <c>/jobs/{id}/events</c> has it.</summary>
    public async IAsyncEnumerable<JsonObject> FollowJob(string id, long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string project = Project;
        using IDisposable stream = Begin();
        if (await journal.GetAsync(project, id, cancellationToken) is not { } run)
        {
            throw new HubException($"There is no job '{AgentProblem.Shortened(id)}' in this project.");
        }

        if (after > run.LastEvent)
        {
            throw new HubException($"The job {id} has no event {after} yet, its last one is {run.LastEvent}.");
        }

        await using IAsyncEnumerator<List<NumberedEvent>> pages = feed.EventsAsync(project, id, Math.Max(0, after), cancellationToken).GetAsyncEnumerator(cancellationToken);
        while (await NextAsync(pages))
        {
            foreach (NumberedEvent happened in pages.Current)
            {
                yield return JobJson.Of(happened);
            }
        }
    }

    /// <summary>The project's jobs that have not ended, and then each that changes, as <c>/jobs</c> has them.</summary>
    public async IAsyncEnumerable<JsonObject> FollowProject([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using IDisposable stream = Begin();
        await using IAsyncEnumerator<RunRecord> runs = feed.JobsAsync(Project, cancellationToken).GetAsyncEnumerator(cancellationToken);
        while (await NextAsync(runs))
        {
            yield return JobJson.Of(runs.Current, null, time.GetUtcNow().ToUnixTimeMilliseconds());
        }
    }

    private IDisposable Begin() => ((StreamCount)Context.Items[StreamsKey]!).TryBegin(MostStreams)
        ?? throw new HubException($"A connection may follow {MostStreams} things at the same time.");

    private async Task<bool> NextAsync<T>(IAsyncEnumerator<T> items)
    {
        try
        {
            return await items.MoveNextAsync();
        }
        catch (StorageException exception)
        {
            Log.StorageFailed(logger, exception);
            throw new HubException("The journal cannot be reached.");
        }
    }

    /// <summary>How many streams a connection has.</summary>
    private sealed class StreamCount
    {
        private int _count;

        public IDisposable? TryBegin(int most)
        {
            if (Interlocked.Increment(ref _count) > most)
            {
                Interlocked.Decrement(ref _count);
                return null;
            }

            return new Stream(this);
        }

        private sealed class Stream(StreamCount streams) : IDisposable
        {
            public void Dispose() => Interlocked.Decrement(ref streams._count);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(5102, LogLevel.Error, "The journal of the agent queue failed")]
        public static partial void StorageFailed(ILogger logger, Exception exception);
    }
}
