using System.Diagnostics;

namespace HelixFlow.Gateway.Routing;

/// <summary>Whether a node's requests succeed.</summary>
internal enum CircuitState
{
    /// <summary>Requests go there.</summary>
    Closed,

    /// <summary>None goes there.</summary>
    Open,

    /// <summary>One may go there, to see whether it succeeds.</summary>
    HalfOpen,
}

/// <summary>How a request to a node ended, as far as the node is to blame.</summary>
internal enum NodeResult
{
    Succeeded,

    /// <summary>The node failed, could not be reached or was too slow.</summary>
    Failed,

    /// <summary>Says nothing about the node: the client left, or the request was refused for its own fault.</summary>
    Neutral,
}

/// <summary>Leaves a node out while its requests fail, and lets one through from time to time to see whether it is back.</summary>
/// <remarks>
/// Closed → open after failures in a row or a share of failures over a window; open → half-open after a time that doubles with every failed
/// probe; half-open → closed when the probe succeeds. A circuit that opens again within one window of closing goes on doubling. Results of requests
/// that started in an earlier state are ignored: late failures do not prolong the pause, late successes do not end it.
/// Not thread-safe: guarded by the router's lock. Times are since any fixed moment and never go back.
/// </remarks>
internal sealed class CircuitBreaker
{
    private const int Buckets = 10;

    private readonly CircuitOptions _options;
    private readonly long _bucketTicks;
    private readonly int[] _successes = new int[Buckets]; // ring over the window
    private readonly int[] _failures = new int[Buckets];
    private long _bucket; // the newest bucket's number
    private int _consecutiveFailures;
    private bool _open;
    private bool _probing;
    private TimeSpan _openUntil;
    private TimeSpan _nextPause;
    private TimeSpan _closedAt;
    private long _epoch;

    public CircuitBreaker(CircuitOptions options)
    {
        options.Validate();
        _options = options;
        _bucketTicks = Math.Max(1, options.Window.Ticks / Buckets);
        _nextPause = options.OpenFor;
    }

    public CircuitState State(TimeSpan now) =>
        !_open ? CircuitState.Closed : now < _openUntil ? CircuitState.Open : CircuitState.HalfOpen;

    /// <summary>Whether a request may go to the node now.</summary>
    public bool Admits(TimeSpan now) => !_open || (!_probing && now >= _openUntil);

    /// <summary>When the next probe may go; null while requests go anyway.</summary>
    public TimeSpan? OpenUntil => _open ? _openUntil : null;

    /// <summary>A request goes to the node; in the half-open state it is the probe. Call <see cref="Record"/> when it ends, however it ends.</summary>
    /// <returns>What <see cref="Record"/> wants.</returns>
    public long Started(TimeSpan now)
    {
        Debug.Assert(Admits(now), "ask first");
        if (_open)
        {
            _probing = true;
            _epoch++;
        }

        return _epoch;
    }

    /// <summary>Takes the result of a request.</summary>
    /// <param name="epoch">What <see cref="Started"/> returned for it.</param>
    /// <param name="result">How it ended.</param>
    /// <param name="now">The time.</param>
    public void Record(long epoch, NodeResult result, TimeSpan now)
    {
        if (epoch != _epoch)
        {
            return;
        }

        if (_open)
        {
            RecordProbe(result, now);
        }
        else if (result != NodeResult.Neutral)
        {
            RecordClosed(result == NodeResult.Failed, now);
        }
    }

    private void RecordProbe(NodeResult result, TimeSpan now)
    {
        if (!_probing)
        {
            return; // from before it opened
        }

        _probing = false;
        switch (result)
        {
            case NodeResult.Succeeded:
                _open = false;
                _closedAt = now;
                _epoch++;
                ForgetResults(now);
                break;
            case NodeResult.Failed:
                Open(now);
                break;
            case NodeResult.Neutral:
                break; // the next request is the probe
            default:
                throw new ArgumentOutOfRangeException(nameof(result), result, null);
        }
    }

    private void RecordClosed(bool failed, TimeSpan now)
    {
        Advance(now);
        int at = (int)(_bucket % Buckets);
        if (!failed)
        {
            _successes[at]++;
            _consecutiveFailures = 0;
            return;
        }

        _failures[at]++;
        _consecutiveFailures++;
        if (_consecutiveFailures >= _options.ConsecutiveFailures || IsRatioExceeded())
        {
            if (now - _closedAt >= _options.Window)
            {
                _nextPause = _options.OpenFor;
            }

            Open(now);
        }
    }

    private bool IsRatioExceeded()
    {
        int successes = 0;
        int failures = 0;
        for (int at = 0; at < Buckets; at++)
        {
            successes += _successes[at];
            failures += _failures[at];
        }

        return successes + failures >= _options.MinimumResults && failures >= _options.FailureRatio * (successes + failures);
    }

    private void Open(TimeSpan now)
    {
        _open = true;
        _probing = false;
        _openUntil = now + _nextPause;
        _nextPause = _nextPause < _options.LongestOpen / 2 ? _nextPause * 2 : _options.LongestOpen;
        _epoch++;
    }

    private void ForgetResults(TimeSpan now)
    {
        Array.Clear(_successes);
        Array.Clear(_failures);
        _consecutiveFailures = 0;
        _bucket = now.Ticks / _bucketTicks;
    }

    /// <summary>Empties the buckets that the window has left since the last result.</summary>
    private void Advance(TimeSpan now)
    {
        long current = now.Ticks / _bucketTicks;
        for (long passed = Math.Max(_bucket + 1, current - Buckets + 1); passed <= current; passed++)
        {
            _successes[(int)(passed % Buckets)] = 0;
            _failures[(int)(passed % Buckets)] = 0;
        }

        _bucket = Math.Max(_bucket, current);
    }
}
