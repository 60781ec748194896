using System.Globalization;
using HelixFlow.Agents.CrashHost;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Crashes.Trials;

/// <summary>What can happen to those who work on a journal.</summary>
internal enum FaultKind
{
    /// <summary>A process gets SIGKILL.</summary>
    Kill,

    /// <summary>
    /// A process gets SIGKILL at one of its next writes, or of its next calls when its journal is elsewhere: after it, or before its commit when the amount is
    /// negative.
    /// </summary>
    KillAtWrite,

    /// <summary>A process is stopped as an operator stops it.</summary>
    Stop,

    /// <summary>A process gets SIGSTOP, and SIGCONT so many milliseconds later.</summary>
    Pause,

    /// <summary>The clock by which the journal goes is so many milliseconds ahead from now on.</summary>
    Clock,

    /// <summary>The wall clock of one machine is, while the journal goes by the database server's.</summary>
    OwnClock,

    /// <summary>The database server crashes, and is started so many milliseconds later.</summary>
    ServerCrash,

    /// <summary>The database server is stopped and started.</summary>
    ServerRestart,

    /// <summary>The broker that carries hints crashes, and is started so many milliseconds later.</summary>
    BrokerCrash,

    /// <summary>The broker answers nothing for so many milliseconds.</summary>
    BrokerPause,

    /// <summary>Hints of all kinds are delivered so often, for what was done long ago too.</summary>
    Hints,

    /// <summary>A job is asked for once more, with the same key.</summary>
    SubmitAgain,

    /// <summary>Somebody cancels a job.</summary>
    Cancel,
}

/// <summary>One of the things that happen.</summary>
/// <param name="AfterMs">So long after the one before it.</param>
/// <param name="Kind">What happens.</param>
/// <param name="Target">To which host or job.</param>
/// <param name="Amount">How much or how long.</param>
internal readonly record struct Fault(int AfterMs, FaultKind Kind, int Target, long Amount)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"+{AfterMs} {Kind}({Target}, {Amount})");
}

/// <summary>Who works on which database.</summary>
internal enum TrialKind
{
    /// <summary>One process on SQLite.</summary>
    Embedded,

    /// <summary>Several processes on PostgreSQL.</summary>
    Shared,

    /// <summary>One process on SQLite, and workers in others that use its journal by the worker protocol.</summary>
    Protocol,
}

/// <summary>Jobs and what happens while they are done: all of it comes from one number, so that the number says it again.</summary>
/// <remarks>How far the processes have come when something happens is the machine's affair: a replay meets the same faults, at about the same time.</remarks>
/// <param name="Seed">The number; what it leaves when it is divided by three is the kind.</param>
/// <param name="Hosts">Processes at the same time; with <see cref="TrialKind.Protocol"/> the first one has the journal.</param>
/// <param name="HasBroker">Whether RabbitMQ carries the hints between them.</param>
/// <param name="RepeatPercent">How many calls of workers are sent twice.</param>
/// <param name="Jobs">What is asked for.</param>
/// <param name="Faults">What happens, in this order.</param>
internal sealed record FaultSchedule(int Seed, int Hosts, bool HasBroker, int RepeatPercent, IReadOnlyList<TrialRequest> Jobs, IReadOnlyList<Fault> Faults)
{
    private const int MostMoves = 6;
    private static readonly long[] _jumps = [-3_600_000, -10_000, -1_000, 300, 1_200, 3_000, 10_000, 3_600_000];

    public TrialKind Kind => (TrialKind)(Seed % 3);

    /// <summary>So few that runs wait, and it is seen in which order they are claimed.</summary>
    public int SlotsPerHost => Kind == TrialKind.Embedded ? 2 : 1;

    /// <summary>The schedule of a number.</summary>
    public static FaultSchedule Of(int seed)
    {
        var random = new Random(seed);
        var kind = (TrialKind)(seed % 3);
        int hosts = kind == TrialKind.Embedded ? 1 : random.Next(2, 4);
        bool hasBroker = kind == TrialKind.Shared && random.Next(3) == 0;
        int repeatPercent = Pick(random, 0, 10, 40);
        TrialRequest[] jobs = [.. Enumerable.Range(0, random.Next(6, 15)).Select(i => JobOf(random, i, kind))];
        FaultKind[] servers = hasBroker ? [FaultKind.ServerCrash, FaultKind.ServerRestart, FaultKind.BrokerCrash, FaultKind.BrokerPause]
            : kind == TrialKind.Shared ? [FaultKind.ServerCrash, FaultKind.ServerRestart] : [];
        long lease = LeaseOf(kind);
        Fault[] faults = [.. Enumerable.Range(0, random.Next(2, 6)).Select(_ => FaultOf(random, servers, hosts, jobs.Length, lease))];
        return new FaultSchedule(seed, hosts, hasBroker, repeatPercent, jobs, faults);
    }

    public override string ToString()
    {
        string jobs = string.Join(", ", Jobs.Select(static job => $"{job.Project}/{job.Priority}[{string.Join(' ', job.Moves)}]"));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"seed {Seed}: {Kind}, {Hosts} hosts{(HasBroker ? " and a broker" : "")}, {RepeatPercent} % sent twice; {string.Join(", ", Faults)}; {jobs}");
    }

    // Short, so that little time is lost after a kill; longer where more processes share the machine, as one that is slow loses its leases without a fault.
    private static long LeaseOf(TrialKind kind) => kind == TrialKind.Embedded ? 800 : 1_500;

    // Every fourth step is one that must not be repeated.
    private static TrialMove MoveOf(Random random) => random.Next(4) == 0 ? TrialMove.Unsafe : (TrialMove)random.Next(Enum.GetValues<TrialMove>().Length);

    private static TrialRequest JobOf(Random random, int number, TrialKind kind)
    {
        bool isSmall = random.Next(2) == 0;
        TrialMove[] moves = isSmall ? [] : [.. Enumerable.Range(0, random.Next(1, MostMoves + 1)).Select(_ => MoveOf(random))];
        return new TrialRequest(
            string.Create(CultureInfo.InvariantCulture, $"job {number}"), Pick(random, "a", "b"), isSmall ? CrashChild.TypeName : TrialJob.TypeName,
            (RunPriority)random.Next(4), moves, LeaseOf(kind));
    }

    private static Fault FaultOf(Random random, FaultKind[] servers, int hosts, int jobs, long leaseMs)
    {
        int after = random.Next(5, 150);
        int host = random.Next(hosts);
        return random.Next(20) switch
        {
            < 4 => new Fault(after, FaultKind.Kill, host, 0),
            < 8 => new Fault(after, FaultKind.KillAtWrite, host, random.Next(1, 16) * (random.Next(2) == 0 ? 1 : -1)),
            8 => new Fault(after, FaultKind.Stop, host, 0),
            < 12 => new Fault(after, FaultKind.Pause, host, leaseMs + random.Next(50, 600)),
            < 14 => new Fault(after, FaultKind.Clock, 0, Pick(random, _jumps)),
            14 => new Fault(after, servers.Length > 0 ? FaultKind.OwnClock : FaultKind.Clock, host, Pick(random, _jumps)),
            15 => servers.Length > 0 ? new Fault(after, Pick(random, servers), 0, random.Next(1, 1_000)) : new Fault(after, FaultKind.Kill, host, 0),
            < 18 => new Fault(after, FaultKind.Hints, random.Next(jobs), random.Next(1, 20)),
            18 => new Fault(after, FaultKind.SubmitAgain, random.Next(jobs), 0),
            _ => new Fault(after, FaultKind.Cancel, random.Next(jobs), 0),
        };
    }

    private static T Pick<T>(Random random, params ReadOnlySpan<T> values) => values[random.Next(values.Length)];
}
