namespace HelixFlow.Engine.Execution;

/// <summary>
/// The jobs that wait for an encoder, in the order in which they should run: by priority, within one by start-time fair queueing over the projects
/// (Goyal, Vin and Cheng 1996), whose costs are known here: a text's tokens.
/// </summary>
/// <remarks>Not thread-safe: guarded by the engine's lock. It holds no more jobs than the engine admits, so that sorting them is nothing beside a batch.</remarks>
internal sealed class EncoderQueue(TimeSpan ageingInterval)
{
    // Projects remembered while others wait; beyond it, those that are not in debt are forgotten.
    private const int MostAccounts = 1024;

    private readonly List<EncoderJob> _jobs = [];
    private readonly Dictionary<(int Priority, string Project), double> _finishTags = [];
    private double _virtualTime;

    public int Count => _jobs.Count;

    public void Add(EncoderJob job)
    {
        (int, string) account = (job.Request.Priority, job.Request.Project);
        if (_finishTags.Count >= MostAccounts)
        {
            Forget();
        }

        job.StartTag = Math.Max(_virtualTime, _finishTags.GetValueOrDefault(account)); // who was away saves nothing up
        _finishTags[account] = job.StartTag + (job.Tokens.Length / job.Weight);
        _jobs.Add(job);
    }

    public bool Remove(EncoderJob job)
    {
        bool removed = _jobs.Remove(job);
        ForgetAllIfIdle();
        return removed;
    }

    /// <summary>Takes the jobs of the next batch: in order, for as long as they fit. The first one always does.</summary>
    /// <param name="now">A job counts as one class higher for each ageing interval that it has waited.</param>
    /// <param name="fits">Whether a text of so many tokens still fits; called in order, once for each until one does not.</param>
    /// <param name="batch">Takes them.</param>
    public void Take(TimeSpan now, Func<EncoderJob, bool> fits, List<EncoderJob> batch)
    {
        _jobs.Sort((a, b) =>
        {
            int byPriority = Class(b, now).CompareTo(Class(a, now));
            int byTag = byPriority != 0 ? byPriority : a.StartTag.CompareTo(b.StartTag);
            return byTag != 0 ? byTag : a.Number.CompareTo(b.Number);
        });
        int taken = 0;
        while (taken < _jobs.Count && fits(_jobs[taken]))
        {
            _virtualTime = Math.Max(_virtualTime, _jobs[taken].StartTag);
            batch.Add(_jobs[taken++]);
        }

        _jobs.RemoveRange(0, taken);
        ForgetAllIfIdle();
    }

    /// <summary>Takes all jobs.</summary>
    public EncoderJob[] TakeAll()
    {
        EncoderJob[] all = [.. _jobs];
        _jobs.Clear();
        ForgetAllIfIdle();
        return all;
    }

    private long Class(EncoderJob job, TimeSpan now) => job.Request.Priority + ((now - job.Arrived).Ticks / ageingInterval.Ticks);

    // Debts are towards those who wait.
    private void ForgetAllIfIdle()
    {
        if (_jobs.Count == 0)
        {
            _finishTags.Clear();
            _virtualTime = 0;
        }
    }

    private void Forget()
    {
        foreach (((int Priority, string Project) account, double tag) in _finishTags)
        {
            if (tag <= _virtualTime)
            {
                _finishTags.Remove(account);
            }
        }

        if (_finishTags.Count >= MostAccounts)
        {
            _finishTags.Clear();
        }
    }
}
