using System.Runtime.CompilerServices;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Http;

/// <summary>What happens to jobs, as it happens: the same for all ways by which it is told.</summary>
/// <remarks>The journal is read after each sign of a change, and now and then without one, as another process may have written.</remarks>
internal sealed class JobFeed(Journal.Journal journal, JobChanges changes, AgentOptions options, TimeProvider time)
{
    private const int PageSize = 256;

    // The jobs of a project that are followed, and how often they are looked at when much happens.
    private const int MostFollowed = 1000;
    private static readonly TimeSpan _shortestWait = TimeSpan.FromMilliseconds(100);

    /// <summary>A job's events after one of them, in pages and without gaps, up to the last one of a job that has ended. Pages are empty when nothing has happened for a while.</summary>
    public async IAsyncEnumerable<List<NumberedEvent>> EventsAsync(string project, string id, long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using JobChanges.Follower follower = changes.Follow(id);
        long spokenAt = time.GetTimestamp();
        while (true)
        {
            Task changed = follower.Next();
            if (await journal.GetAsync(project, id, cancellationToken) is not { } run)
            {
                yield break; // deleted meanwhile
            }

            while (after < run.LastEvent)
            {
                List<NumberedEvent> page = await journal.EventsAsync(project, id, after, PageSize, cancellationToken);
                if (page.Count == 0)
                {
                    yield break;
                }

                yield return page;
                after = page[^1].Number;
                spokenAt = time.GetTimestamp();
            }

            // The page may hold more than the run's record did: another attempt may have begun since it was read.
            if (run.HasEnded && after >= run.LastEvent)
            {
                yield break;
            }

            if (time.GetElapsedTime(spokenAt) >= options.KeepAliveInterval)
            {
                yield return [];
                spokenAt = time.GetTimestamp();
            }

            await Task.WhenAny(changed, Task.Delay(options.EventPollInterval, time, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>A project's newest jobs: first those that have not ended, then each one that has changed, as it stands. Of several changes at once the last one is told.</summary>
    public async IAsyncEnumerable<RunRecord> JobsAsync(string project, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using JobChanges.Follower follower = changes.FollowAll();
        Dictionary<string, long>? known = null;
        while (true)
        {
            Task changed = follower.Next();
            Dictionary<string, long> newest = await journal.LastEventsAsync(project, MostFollowed, cancellationToken);
            foreach ((string id, long last) in newest)
            {
                if (known?.GetValueOrDefault(id) != last && await journal.GetAsync(project, id, cancellationToken) is { } run && (known is not null || !run.HasEnded))
                {
                    newest[id] = run.LastEvent;
                    yield return run;
                }
            }

            known = newest;
            await Task.Delay(_shortestWait, time, cancellationToken);
            await Task.WhenAny(changed, Task.Delay(options.EventPollInterval, time, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
        }
    }
}
