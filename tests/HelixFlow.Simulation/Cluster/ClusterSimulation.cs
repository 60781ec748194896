using System.Globalization;
using HelixFlow.Simulation.Measures;
using HelixFlow.Simulation.Policies;
using HelixFlow.Simulation.Traces;

namespace HelixFlow.Simulation.Cluster;

/// <summary>Runs a trace on a simulated cluster of the product's placements and the product's router.</summary>
/// <remarks>One thread, no clock, no shared state: the same arguments give the same result, bit by bit.</remarks>
public sealed class ClusterSimulation
{
    private static readonly TimeSpan ShortestAbsence = TimeSpan.FromSeconds(10);

    private readonly EventQueue _events = new();
    private readonly ClusterOptions _options;
    private readonly SimulationPolicy _policy;
    private readonly IReadOnlyList<TraceRequest> _trace;
    private readonly ClusterTally _tally;
    private readonly SimulatedGateway _gateway;
    private readonly List<SimulatedNode> _nodes = [];
    private readonly SimulatedRequest[] _requests;
    private readonly Random _failures;
    private readonly int _measuredFrom;
    private int _open;

    private ClusterSimulation(IReadOnlyList<TraceRequest> trace, IReadOnlyDictionary<string, long> sizes, ClusterOptions options, SimulationPolicy policy, int seed)
    {
        options.Validate();
        _trace = trace;
        _policy = policy;
        _measuredFrom = (int)(trace.Count * options.WarmUp);
        _tally = new ClusterTally(trace[_measuredFrom].At, trace[^1].At);
        _failures = new Random(seed + 1);
        _requests = new SimulatedRequest[trace.Count];
        _open = trace.Count;
        _options = options with
        {
            Placement = options.Placement with { EvictionCost = policy.EvictionCost?.Invoke(new EvictionContext(trace, new Random(seed + 2))) },
        };
        _gateway = new SimulatedGateway(_events, _options, _tally, policy.Routing, new Random(seed), sizes, Ended);
        var stagger = new Random(seed + 3);
        for (int at = 0; at < options.Nodes; at++)
        {
            var node = new SimulatedNode(
                string.Create(CultureInfo.InvariantCulture, $"n{at:D4}"),
                _events,
                _options,
                _tally,
                options.Budgets[at % options.Budgets.Count],
                sizes,
                _gateway.Answered,
                _gateway.Reported);
            _nodes.Add(node);
            _gateway.Add(node);
            _gateway.Reported(node);
            _events.Schedule(options.Router.ReportInterval * stagger.NextDouble(), () => ReportAgain(node));
            ScheduleFailure(node);
        }
    }

    /// <summary>Runs the trace to its end, and on until every request has ended.</summary>
    /// <param name="trace">At least one request, in the order of time.</param>
    /// <param name="sizes">The bytes of every model of the trace.</param>
    /// <param name="options">The cluster.</param>
    /// <param name="policy">Routing and eviction.</param>
    /// <param name="seed">For ties, failures and times of reports.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="InvalidOperationException">A node broke a rule: its budget was exceeded, or a model was evicted in use.</exception>
    public static SimulationResult Run(
        IReadOnlyList<TraceRequest> trace, IReadOnlyDictionary<string, long> sizes, ClusterOptions options, SimulationPolicy policy, int seed) =>
        Run(trace, sizes, options, policy, seed, out _);

    internal static SimulationResult Run(
        IReadOnlyList<TraceRequest> trace, IReadOnlyDictionary<string, long> sizes, ClusterOptions options, SimulationPolicy policy, int seed, out IReadOnlyList<Dispatch> dispatches)
    {
        ArgumentOutOfRangeException.ThrowIfZero(trace.Count);
        var simulation = new ClusterSimulation(trace, sizes, options, policy, seed);
        SimulationResult result = simulation.Run();
        dispatches = simulation._tally.Dispatches;
        return result;
    }

    /// <summary>The number of the node with this id.</summary>
    internal static int NumberOf(string node) => int.Parse(node.AsSpan(1), CultureInfo.InvariantCulture);

    private SimulationResult Run()
    {
        ScheduleArrival(0);
        TimeSpan limit = _trace[^1].At + _options.DrainLimit;
        while (_open > 0 && _events.Step(limit))
        {
        }

        return Result();
    }

    private void ScheduleArrival(int at)
    {
        TraceRequest trace = _trace[at];
        _events.Schedule(trace.At - _events.Now, () =>
        {
            if (at + 1 < _trace.Count)
            {
                ScheduleArrival(at + 1);
            }

            TimeSpan service = TimeSpan.FromSeconds(
                (trace.PromptTokens / _options.PromptTokensPerSecond) + (trace.OutputTokens / _options.OutputTokensPerSecond));
            var request = new SimulatedRequest(at, trace, service);
            _requests[at] = request;
            _gateway.Arrive(request);
        });
    }

    private void ReportAgain(SimulatedNode node)
    {
        _gateway.Reported(node);
        _events.Schedule(_options.Router.ReportInterval, () => ReportAgain(node));
    }

    private void ScheduleFailure(SimulatedNode node)
    {
        if (_options.MeanTimeToFailure <= TimeSpan.Zero)
        {
            return;
        }

        _events.Schedule(Exponential(_options.MeanTimeToFailure), () =>
        {
            node.Fail();
            TimeSpan silence = _options.Router.SilenceLimit;
            TimeSpan absence = (ShortestAbsence > silence ? ShortestAbsence : silence) + Exponential(_options.MeanTimeToReturn);
            _events.Schedule(silence, () => _gateway.Lose(node));
            _events.Schedule(absence, () =>
            {
                node.Return();
                _gateway.Reported(node);
                ScheduleFailure(node);
            });
        });
    }

    private TimeSpan Exponential(TimeSpan mean) => mean * -Math.Log(1 - _failures.NextDouble());

    private void Ended(SimulatedRequest request, RequestOutcome outcome)
    {
        if (request.Outcome != RequestOutcome.None)
        {
            throw new InvalidOperationException($"Request {request.Index} ended twice: {request.Outcome}, then {outcome}.");
        }

        request.Outcome = outcome;
        _open--;
    }

    private SimulationResult Result()
    {
        SimulatedRequest[] measured = [.. _requests.Skip(_measuredFrom).Where(static request => request is not null)];
        TimeSpan[] waits = [.. measured.Where(static request => request.StartedAt is not null).Select(static request => request.StartedAt!.Value - request.Trace.At).Order()];
        return new SimulationResult
        {
            Policy = _policy.Name,
            Requests = measured.Length,
            Hits = measured.Count(static request => request.Residency == Residency.Hit),
            Joined = measured.Count(static request => request.Residency == Residency.Joined),
            Misses = measured.Count(static request => request.Residency == Residency.Miss),
            Loads = _tally.Loads,
            Evictions = _tally.Evictions,
            LoadedBytes = _tally.LoadedBytes,
            WaitMean = waits.Length == 0 ? TimeSpan.Zero : new TimeSpan(waits.Sum(static wait => wait.Ticks) / waits.Length),
            WaitMedian = Quantile(waits, 0.5),
            Wait99 = Quantile(waits, 0.99),
            WaitMax = Quantile(waits, 1),
            Refused = measured.Count(static request => request.Outcome is not (RequestOutcome.None or RequestOutcome.Completed)),
            HeldTooLong = measured.Count(static request => request.Outcome == RequestOutcome.HeldTooLong),
            Unfinished = _open,
            MemoryUse = _tally.MeanUsedBytes / _nodes.Sum(static node => node.BudgetBytes),
            RunningPerNode = _tally.MeanRunning / _nodes.Count,
            LoadingPerNode = _tally.MeanLoading / _nodes.Count,
            Length = _events.Now,
        };
    }

    /// <summary>The smallest value that at least this share does not exceed.</summary>
    private static TimeSpan Quantile(TimeSpan[] sorted, double share) =>
        sorted.Length == 0 ? TimeSpan.Zero : sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Length) - 1, 0, sorted.Length - 1)];
}
