namespace HelixFlow.Agents.Http;

/// <summary>Wakes those who follow a run when something was appended to it in this process. All members may be called from any thread.</summary>
internal sealed class JobChanges : IDisposable
{
    private const string All = ""; // no run's id

    private readonly Lock _lock = new();
    private readonly Dictionary<string, List<Follower>> _followers = new(StringComparer.Ordinal);
    private readonly Journal.Journal _journal;

    public JobChanges(Journal.Journal journal)
    {
        _journal = journal;
        _journal.Changed += Tell;
    }

    /// <summary>Follows a run until the result is disposed.</summary>
    public Follower Follow(string run)
    {
        var follower = new Follower(this, run);
        lock (_lock)
        {
            if (!_followers.TryGetValue(run, out List<Follower>? followers))
            {
                _followers.Add(run, followers = []);
            }

            followers.Add(follower);
        }

        return follower;
    }

    /// <summary>Follows all runs until the result is disposed.</summary>
    public Follower FollowAll() => Follow(All);

    public void Dispose() => _journal.Changed -= Tell;

    private void Tell(string run)
    {
        lock (_lock)
        {
            foreach (string followed in (ReadOnlySpan<string>)[run, All])
            {
                if (_followers.TryGetValue(followed, out List<Follower>? followers))
                {
                    followers.ForEach(static follower => follower.Tell());
                }
            }
        }
    }

    /// <summary>One who follows a run; used by one caller at a time.</summary>
    internal sealed class Follower(JobChanges changes, string run) : IDisposable
    {
        private volatile TaskCompletionSource _changed = New();

        /// <summary>Completes when something was appended after the call; take it before reading the journal, so that nothing is missed.</summary>
        public Task Next()
        {
            _changed = New();
            return _changed.Task;
        }

        public void Tell() => _changed.TrySetResult();

        public void Dispose()
        {
            lock (changes._lock)
            {
                List<Follower> followers = changes._followers[run];
                followers.Remove(this);
                if (followers.Count == 0)
                {
                    changes._followers.Remove(run);
                }
            }
        }

        private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
