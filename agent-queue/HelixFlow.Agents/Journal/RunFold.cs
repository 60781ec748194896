using System.Collections.Immutable;

namespace HelixFlow.Agents.Journal;

/// <summary>A run as its events tell it: a pure function of them, and the witness that the tables hold nothing else.</summary>
/// <remarks>What the queue needs besides is not in the events: leases, fair shares, and the class into which a run has risen by waiting.</remarks>
public sealed record RunFold
{
    private const long Never = long.MaxValue;

    private RunFold()
    {
    }

    /// <summary>Where the run is.</summary>
    public RunState State { get; private init; }

    /// <summary>1, and one more each time that it was requeued.</summary>
    public int Epoch { get; private init; } = 1;

    /// <summary>The attempt within the epoch.</summary>
    public int Attempt { get; private init; }

    /// <summary>Fence of the last claim.</summary>
    public long Fence { get; private init; }

    /// <summary>Who does it now.</summary>
    public string? Worker { get; private init; }

    /// <summary>Hash of the input.</summary>
    public string Input { get; private init; } = "";

    /// <summary>Hash of the output.</summary>
    public string? Output { get; private init; }

    /// <summary>What ended it, or its last attempt.</summary>
    public RunError? Error { get; private init; }

    /// <summary>Whether somebody wants it to end.</summary>
    public bool CancelRequested { get; private init; }

    /// <summary>0 to 100.</summary>
    public int Progress { get; private init; }

    /// <summary>What it did last, in its own words.</summary>
    public string? Message { get; private init; }

    /// <summary>What its recorded steps have used of models.</summary>
    public RunUsage Usage { get; private init; } = new(0, 0, 0);

    /// <summary>While it waits: when it goes on at the latest. Milliseconds since 1970.</summary>
    public long NotBefore { get; private init; }

    /// <summary>While it waits: for which signal.</summary>
    public string? Signal { get; private init; }

    /// <summary>When it was asked for.</summary>
    public long CreatedAt { get; private init; }

    /// <summary>When its last attempt began; 0 for none.</summary>
    public long StartedAt { get; private init; }

    /// <summary>When it ended; 0 while it has not.</summary>
    public long EndedAt { get; private init; }

    /// <summary>Number of the last event.</summary>
    public long LastEvent { get; private init; }

    /// <summary>Its recorded steps by address.</summary>
    public ImmutableDictionary<string, StepRecord> Steps { get; private init; } = ImmutableDictionary<string, StepRecord>.Empty.WithComparers(StringComparer.Ordinal);

    /// <summary>The files that it has made, by name.</summary>
    public ImmutableSortedDictionary<string, Artifact> Artifacts { get; private init; } = ImmutableSortedDictionary<string, Artifact>.Empty.WithComparers(StringComparer.Ordinal);

    /// <summary>Signals by their number: the name, and the step that has taken it.</summary>
    public ImmutableSortedDictionary<long, (string Name, string? TakenBy)> Signals { get; private init; } = ImmutableSortedDictionary<long, (string Name, string? TakenBy)>.Empty;

    /// <summary>Folds all events of a run.</summary>
    /// <exception cref="InvalidDataException">They are not the events of a run: one is missing, or comes where it cannot.</exception>
    public static RunFold Of(IEnumerable<NumberedEvent> events) => events.Aggregate(new RunFold(), static (fold, next) => fold.Apply(next));

    /// <summary>The run after one more event.</summary>
    /// <exception cref="InvalidDataException">The event cannot be the next one.</exception>
    public RunFold Apply(NumberedEvent next)
    {
        bool isFirst = next.Event is JournalEvent.Requested;
        if (next.Number != LastEvent + 1 || isFirst != (LastEvent == 0))
        {
            throw new InvalidDataException($"Event {next.Number} ({next.Event.Kind}) follows event {LastEvent}.");
        }

        bool hasEnded = State is RunState.Succeeded or RunState.Cancelled or RunState.Dead;
        if (hasEnded != next.Event is JournalEvent.Requeued)
        {
            throw new InvalidDataException($"Event {next.Number} ({next.Event.Kind}) cannot come while the run is {State}.");
        }

        return Apply(next.Event, next.At) with { LastEvent = next.Number };
    }

    private RunFold Apply(JournalEvent happened, long at) => happened switch
    {
        JournalEvent.Requested first => this with { State = first.State, Input = first.Input, CreatedAt = at, NotBefore = first.NotBefore },
        JournalEvent.Released => Ready(),
        JournalEvent.AttemptStarted start => Expect(RunState.Ready) with
        {
            State = RunState.Running, Attempt = start.Attempt, Worker = start.Worker, StartedAt = at,
            Fence = start.Fence > Fence ? start.Fence : throw new InvalidDataException($"The fence fell from {Fence} to {start.Fence}."),
        },
        JournalEvent.AttemptFailed failed => Expect(RunState.Running) with { State = RunState.Waiting, Worker = null, NotBefore = failed.RetryAt, Error = failed.Error, Signal = null },
        JournalEvent.AttemptReleased => Expect(RunState.Running).Ready() with { Attempt = Attempt - 1 },
        JournalEvent.Progressed progress => Expect(RunState.Running) with { Progress = progress.Percent, Message = progress.Message },
        JournalEvent.ArtifactStored file => Expect(RunState.Running) with
        {
            Artifacts = Artifacts.SetItem(file.Name, new Artifact(file.Name, file.Hash, file.Length, file.ContentType, at)),
        },
        JournalEvent.StepStarted step => Expect(RunState.Running) with
        {
            Steps = Steps.SetItem(step.Address, new StepRecord(step.Address, step.Digest, step.Class, StepState.Started, null, StepSource.Executed, at, 0)),
        },
        JournalEvent.StepSucceeded step => Recorded(step, at),
        JournalEvent.StepFailed step => Expect(RunState.Running) with
        {
            Steps = Steps.TryGetValue(step.Address, out StepRecord? known) && known.State == StepState.Started ? Steps.Remove(step.Address) : Steps,
        },
        JournalEvent.StepParked parked => this with { State = RunState.Parked, Worker = null, Error = parked.Error },
        JournalEvent.StepRetryDecided decided => Expect(RunState.Parked) with { Steps = Steps.Remove(decided.Address) },
        JournalEvent.Suspended wait => Expect(RunState.Running) with
        {
            State = RunState.Waiting, Worker = null, Attempt = Attempt - 1, NotBefore = wait.Until == 0 ? Never : wait.Until, Signal = wait.Signal,
        },
        JournalEvent.Asked => Expect(RunState.Running),
        JournalEvent.QuestionExpired => this,
        JournalEvent.Signalled signal => this with { Signals = Signals.Add(signal.Number, (signal.Name, null)) },
        JournalEvent.SignalTaken taken => Expect(RunState.Running) with { Signals = Signals.SetItem(taken.Number, (taken.Name, taken.Address)) },
        JournalEvent.CancelRequested => this with { CancelRequested = true },
        JournalEvent.Succeeded success => Expect(RunState.Running).Ended(RunState.Succeeded, null, at) with { Output = success.Output, Progress = 100 },
        JournalEvent.Cancelled cancelled => Ended(RunState.Cancelled, cancelled.Error, at),
        JournalEvent.Died died => Ended(RunState.Dead, died.Error, at),
        JournalEvent.Requeued again => Ready() with
        {
            Epoch = again.Epoch, Attempt = 0, Error = null, CancelRequested = false, EndedAt = 0, Progress = 0, Message = null, Input = again.Input,
            Steps = again.Input == Input ? Steps : Steps.Clear(), Artifacts = again.Input == Input ? Artifacts : Artifacts.Clear(),
            State = again.State ?? RunState.Ready, StartedAt = again.State == RunState.Waiting ? 0 : StartedAt,
        },
        _ => throw new InvalidDataException($"A run has no event {happened.Kind}."),
    };

    private RunFold Expect(RunState state) => State == state ? this : throw new InvalidDataException($"The run is {State}, not {state}.");

    private RunFold Ready() => this with { State = RunState.Ready, Worker = null, NotBefore = 0, Signal = null };

    private RunFold Ended(RunState state, RunError? error, long at) => this with { State = state, Worker = null, Error = error, EndedAt = at, Signal = null };

    private RunFold Recorded(JournalEvent.StepSucceeded step, long at)
    {
        bool isKnown = Steps.TryGetValue(step.Address, out StepRecord? known);
        if (isKnown && known!.State == StepState.Succeeded)
        {
            throw new InvalidDataException($"The step {step.Address} was recorded twice.");
        }

        var record = new StepRecord(
            step.Address, step.Digest, step.Class, StepState.Succeeded, step.Output, step.Source, isKnown ? known!.StartedAt : step.StartedAt, at);
        return Expect(step.Source == StepSource.Decided ? RunState.Parked : RunState.Running) with
        {
            Steps = Steps.SetItem(step.Address, record), Usage = step.Usage is { } usage ? Usage.Plus(usage) : Usage,
        };
    }
}
