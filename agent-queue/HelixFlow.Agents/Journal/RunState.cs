namespace HelixFlow.Agents.Journal;

/// <summary>Where a run is. The numbers are stored: they never change.</summary>
public enum RunState
{
    /// <summary>It waits: for its time, for other runs, or for a signal or a decision that one of its steps asked for.</summary>
    Waiting = 0,

    /// <summary>A worker may claim it.</summary>
    Ready = 1,

    /// <summary>A worker holds it under a lease.</summary>
    Running = 2,

    /// <summary>A step's outcome is unknown after a crash, and its effect must not be repeated: a person or a probe decides.</summary>
    Parked = 3,

    /// <summary>Ended with an output.</summary>
    Succeeded = 4,

    /// <summary>Ended because somebody asked for it.</summary>
    Cancelled = 5,

    /// <summary>Ended without an output, its attempts used up: a dead letter, which can be edited and requeued.</summary>
    Dead = 6,
}

/// <summary>The class in which a run waits. A higher class goes first; who waits for long rises.</summary>
public enum RunPriority
{
    /// <summary>Somebody waits for the result.</summary>
    Interactive = 0,

    /// <summary>Before the rest.</summary>
    High = 1,

    /// <summary>The default.</summary>
    Normal = 2,

    /// <summary>When there is nothing else.</summary>
    Low = 3,
}

/// <summary>What repeating a step would do; declared by its executor.</summary>
public enum EffectClass
{
    /// <summary>Unknown, so that it is never repeated: after a crash its outcome is asked for.</summary>
    Unsafe = 0,

    /// <summary>A function of its inputs: its result may be used anywhere.</summary>
    Pure = 1,

    /// <summary>Asks the world (a model, a search, the clock): asked once in a run, and asked again only when the answer was not recorded.</summary>
    Recorded = 2,

    /// <summary>Repeating it with the same key changes nothing.</summary>
    Idempotent = 3,

    /// <summary>A decision of a person: never taken from another run.</summary>
    Gate = 4,
}

/// <summary>Where a step is.</summary>
public enum StepState
{
    /// <summary>Its effect may have begun. Only steps that must not be repeated are recorded so early.</summary>
    Started = 0,

    /// <summary>Its output is recorded.</summary>
    Succeeded = 1,
}

/// <summary>Where a step's output came from.</summary>
public enum StepSource
{
    /// <summary>It was executed in this run.</summary>
    Executed = 0,

    /// <summary>Another run had done the same.</summary>
    Cache = 1,

    /// <summary>Somebody decided what its outcome was.</summary>
    Decided = 2,

    /// <summary>The run from which this one was forked had it at the same address, with the same action.</summary>
    Fork = 3,
}
