using System.Text.Json;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Runs;

/// <summary>Finds out what would be done if a run were done again, perhaps with another input, and why; executes nothing and writes nothing.</summary>
/// <remarks>
/// The job's code runs twice over what the run has recorded: with the run's own input, which tells what each step got, and with the one in question. What the
/// code does between its steps is done; it must be the same each time in any case. May be called from any thread.
/// </remarks>
public sealed class StalenessCheck(Journal.Journal journal, TimeProvider time)
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);

    /// <summary>Explains what a fork of a run would do.</summary>
    /// <param name="type">The run's job type, as it is now.</param>
    /// <param name="source">The run.</param>
    /// <param name="input">Another input as JSON; null for the same.</param>
    /// <param name="from">The first step, by its address, that is to be done anew with all that was recorded after it; null for none.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<Staleness> ExplainAsync(IJobType type, RunRecord source, ReadOnlyMemory<byte>? input, string? from, CancellationToken cancellationToken)
    {
        byte[] own = await journal.ReadAsync(source.Input, cancellationToken).ConfigureAwait(false);
        List<StepRecord> recorded = await journal.RecordedAsync(source, cancellationToken).ConfigureAwait(false);
        var before = new Rehearsal(journal, source, recorded, null, null);
        await FollowAsync(type, before, own, cancellationToken).ConfigureAwait(false);
        var after = new Rehearsal(journal, source, recorded, from, before);
        string? stopped = await FollowAsync(type, after, input ?? own, cancellationToken).ConfigureAwait(false);
        var steps = new List<StaleStep>(after.Steps);
        var asked = steps.Select(static step => step.Address).ToHashSet(StringComparer.Ordinal);
        steps.AddRange(recorded.Where(step => !asked.Contains(step.Address)).Select(step => new StaleStep(
            step.Address, null, stopped is null ? StepVerdict.Dropped : StepVerdict.Unknown, StaleReason.None,
            stopped is null ? "The code asks for it no more." : "The code could not be followed to it.", [], [])));
        return new Staleness(steps, stopped is null, stopped);
    }

    /// <summary>Runs the code; says why it could not be followed to its end, or null.</summary>
    private async Task<string?> FollowAsync(IJobType type, Rehearsal rehearsal, ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var clock = new CancellationTokenSource(Longest, time);
        using CancellationTokenRegistration link = clock.Token.Register(static source => ((CancellationTokenSource)source!).Cancel(), limit);
        var run = Run.Rehearse(journal, JsonElement.Parse(input.Span), rehearsal, time);
        try
        {
            await Task.Run(() => run.DoAsync(type.RunAsync, limit.Token), limit.Token).WaitAsync(limit.Token).ConfigureAwait(false);
            return null;
        }
        catch (RehearsalStoppedException stopped)
        {
            return stopped.Message;
        }
        catch (OperationCanceledException) when (clock.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return $"The code has not ended within {Longest.TotalSeconds} s.";
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            return $"The code fails: {exception.Message}";
        }
    }
}
