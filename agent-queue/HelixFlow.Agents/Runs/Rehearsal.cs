using System.Globalization;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Values;

namespace HelixFlow.Agents.Runs;

/// <summary>Answers a run's code from what another run has recorded, and notes what would be executed; executes and writes nothing.</summary>
/// <remarks>
/// Where an output cannot be known it goes on with the recorded one, as if the step gave the same again, and says so of all that comes after: how
/// far the wave goes depends on outputs that only execution gives. Where nothing was recorded, the code is followed no further.
/// </remarks>
internal sealed class Rehearsal(Journal.Journal journal, RunRecord source, IReadOnlyList<StepRecord> recorded, string? from, Rehearsal? before)
{
    private const int MostVersionsBack = 50;

    private readonly Dictionary<string, StepRecord> _recorded = recorded.ToDictionary(static step => step.Address, StringComparer.Ordinal);
    private readonly HashSet<string> _anew = [.. recorded.Select(static step => step.Address).SkipWhile(address => from is null || address != from)];
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Asked> _asked = new(StringComparer.Ordinal);
    private readonly List<StaleStep> _steps = [];
    private readonly List<string> _assumed = [];

    public RunRecord Source => source;

    /// <summary>The steps that the code has asked for, in their order.</summary>
    public IReadOnlyList<StaleStep> Steps
    {
        get
        {
            lock (_lock)
            {
                return [.. _steps];
            }
        }
    }

    /// <summary>The output of a step, known or assumed.</summary>
    /// <exception cref="RehearsalStoppedException">There is none.</exception>
    public async Task<byte[]> StepAsync(string address, string executor, int version, EffectClass effect, byte[] input, CancellationToken cancellationToken)
    {
        string digest = ActionDigest.OfStep(executor, version, input, source.Project);
        Note(address, new Asked(executor, version, input, digest));
        StepRecord? known = _recorded.GetValueOrDefault(address);
        bool fits = known is { Output: not null } && known.Digest == digest && known.Class is not (EffectClass.Unsafe or EffectClass.Gate) && !_anew.Contains(address);
        if (before is null || fits)
        {
            Add(address, executor, HasAssumed ? StepVerdict.ReusedIfUnchanged : StepVerdict.Reused, StaleReason.None, "");
            return await OutputAsync(address, known, cancellationToken).ConfigureAwait(false);
        }

        if (effect == EffectClass.Pure && await journal.FindCachedAsync(source.Project, digest, cancellationToken).ConfigureAwait(false) is { } cached)
        {
            Add(address, executor, HasAssumed ? StepVerdict.ReusedIfUnchanged : StepVerdict.Reused, StaleReason.None, "Another run of the project has computed the same.");
            return await journal.ReadAsync(cached, cancellationToken).ConfigureAwait(false);
        }

        AddExecuted(address, known, digest);
        byte[] output = await OutputAsync(address, known, cancellationToken).ConfigureAwait(false);
        Assume(address);
        return output;
    }

    /// <summary>Notes a file that the run would make; its content is known.</summary>
    public void Artifact(string address, string digest)
    {
        StepRecord? known = _recorded.GetValueOrDefault(address);
        Note(address, new Asked("artifact", 1, [], digest));
        if (before is null || (known?.Digest == digest && !_anew.Contains(address)))
        {
            Add(address, "artifact", HasAssumed ? StepVerdict.ReusedIfUnchanged : StepVerdict.Reused, StaleReason.None, "");
        }
        else
        {
            AddExecuted(address, known, digest);
        }
    }

    /// <summary>What the run was told at an address.</summary>
    /// <exception cref="RehearsalStoppedException">Nothing.</exception>
    public async Task<string> SignalAsync(string address, string name, CancellationToken cancellationToken)
    {
        Add(address, "signal", StepVerdict.Executed, StaleReason.EffectForbids, $"The run would wait for the signal '{name}' again: what somebody told one run is not told to another.");
        string body = await journal.TakenSignalAsync(source, address, cancellationToken).ConfigureAwait(false)
            ?? throw new RehearsalStoppedException($"At {address} the run waits for the signal '{name}', which it never got.");
        Assume(address);
        return body;
    }

    /// <summary>The children as they ended.</summary>
    /// <exception cref="RehearsalStoppedException">They were never asked for, or have not ended.</exception>
    public async Task<IReadOnlyList<RunRecord>> ChildrenAsync(string address, int count, CancellationToken cancellationToken)
    {
        bool isNew;
        lock (_lock)
        {
            isNew = !_steps.Exists(step => step.Address == address); // they may have been started before they are waited for
        }

        if (isNew)
        {
            Add(address, "children", StepVerdict.Executed, StaleReason.EffectForbids, "The run would ask for its child runs anew; what their pure steps computed is found there.");
        }

        var children = new List<RunRecord>();
        for (int i = 0; i < count; i++)
        {
            children.Add(await journal.FindChildAsync(source, $"{address}/{i.ToString(CultureInfo.InvariantCulture)}", cancellationToken).ConfigureAwait(false) is { HasEnded: true } child
                ? child : throw new RehearsalStoppedException($"At {address} the run asks for child runs of which not all have ended."));
        }

        if (isNew)
        {
            Assume(address);
        }

        return children;
    }

    private bool HasAssumed
    {
        get
        {
            lock (_lock)
            {
                return _assumed.Count > 0;
            }
        }
    }

    private void AddExecuted(string address, StepRecord? known, string digest)
    {
        Asked now = _asked[address];
        (StaleReason reason, string detail, IReadOnlyList<string> changed) = known switch
        {
            null => (StaleReason.NotRecorded, "Nothing was recorded at this address.", []),
            { Class: EffectClass.Unsafe or EffectClass.Gate } => (StaleReason.EffectForbids, $"What a step of the class {known.Class.ToString().ToLowerInvariant()} gave is never taken from another run.", []),
            _ when known.Digest == digest => (StaleReason.AskedAnew, $"It was recorded at or after {from}, which is to be done anew.", []),
            _ => Difference(address, known, now),
        };
        Add(address, now.Executor, StepVerdict.Executed, reason, detail, changed);
    }

    private (StaleReason Reason, string Detail, IReadOnlyList<string> Changed) Difference(string address, StepRecord known, Asked now)
    {
        if (before?._asked.GetValueOrDefault(address) is { } then && then.Digest == known.Digest)
        {
            // With the old input the code asks for what was recorded: only the input can make the difference.
            List<string> changed = JsonDifference.Between(then.Input, now.Input);
            return (StaleReason.InputChanged, changed.Count == 0 ? "Its content differs." : $"Its input differs at {string.Join(", ", changed.Select(static place => place.Length == 0 ? "its root" : place))}.", changed);
        }

        byte[] input = before?._asked.GetValueOrDefault(address)?.Input ?? now.Input;
        for (int version = now.Version + 1; version >= Math.Max(0, now.Version - MostVersionsBack); version--)
        {
            if (ActionDigest.OfStep(now.Executor, version, input, source.Project) == known.Digest)
            {
                return (StaleReason.VersionChanged, $"The executor {now.Executor} had version {version} and has version {now.Version} now.", []);
            }
        }

        return (StaleReason.ActionChanged, "With the old input too the code asks for another action than it had recorded: it was changed since, or depends on something besides its steps.", []);
    }

    private async Task<byte[]> OutputAsync(string address, StepRecord? known, CancellationToken cancellationToken) =>
        known?.Content ?? (known?.Output is { } output
            ? await journal.ReadAsync(output, cancellationToken).ConfigureAwait(false)
            : throw new RehearsalStoppedException($"What the step {address} gives is not known before it is executed."));

    private void Note(string address, Asked asked)
    {
        lock (_lock)
        {
            _asked[address] = asked;
        }
    }

    private void Assume(string address)
    {
        lock (_lock)
        {
            _assumed.Add(address);
        }
    }

    private void Add(string address, string executor, StepVerdict verdict, StaleReason reason, string detail, IReadOnlyList<string>? changed = null)
    {
        lock (_lock)
        {
            _steps.Add(new StaleStep(address, executor, verdict, reason, detail, changed ?? [], [.. _assumed]));
        }
    }

    private sealed record Asked(string Executor, int Version, byte[] Input, string Digest);
}

/// <summary>The code cannot be followed further without executing something. Job types let it pass.</summary>
public sealed class RehearsalStoppedException(string message) : OperationCanceledException(message);
