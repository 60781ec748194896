using System.Globalization;
using HelixFlow.Agents.CrashHost;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Crashes.Trials;

/// <summary>Something that must never be.</summary>
/// <param name="Rule">Which rule it breaks.</param>
/// <param name="Text">How.</param>
internal sealed record Violation(string Rule, string Text)
{
    public override string ToString() => $"{Rule}: {Text}";
}

/// <summary>What is guaranteed to those who use the journal, checked on what a trial has left.</summary>
/// <remarks>It knows nothing of what happened meanwhile: the rules hold in any case.</remarks>
internal static class Oracle
{
    public static List<Violation> Check(Evidence evidence) => [
        .. Projections(evidence), .. Endings(evidence), .. Acknowledgements(evidence), .. evidence.Runs.SelectMany(run => Steps(run, evidence)),
        .. evidence.Runs.SelectMany(run => Zombies(run, evidence)), .. evidence.Runs.SelectMany(static run => Doubts(run)),
        .. new QueueOrder(evidence.Runs, evidence.Queue, TrialHost.Sharing().AgeingMs).Check()];

    /// <summary>Events are numbered 1, 2, 3…, and the tables are what they fold to.</summary>
    private static IEnumerable<Violation> Projections(Evidence evidence)
    {
        foreach (RunEvidence run in evidence.Runs)
        {
            if (!run.Events.Select(static numbered => numbered.Number).SequenceEqual(Enumerable.Range(1, run.Events.Count).Select(static i => (long)i)))
            {
                yield return new Violation("numbers", $"{run} has the events {string.Join(' ', run.Events.Select(static numbered => numbered.Number))}.");
            }
        }

        if (evidence.Difference is { } difference)
        {
            yield return new Violation("fold", difference);
        }
    }

    /// <summary>Each run has ended once, and nothing happened to it after that.</summary>
    private static IEnumerable<Violation> Endings(Evidence evidence)
    {
        foreach (RunEvidence run in evidence.Runs)
        {
            int ends = run.Events.Count(static numbered => IsEnd(numbered.Event));
            if (ends != 1)
            {
                yield return new Violation("one end", $"{run} has ended {ends} times.");
            }
            else if (!IsEnd(run.Events[^1].Event))
            {
                yield return new Violation("one end", $"To {run} something has happened after its end: {run.Events[^1].Event.Kind}.");
            }
        }
    }

    /// <summary>What was acknowledged is there, under one id however often it was asked for, and has ended as its code wanted, or who cancelled it.</summary>
    private static IEnumerable<Violation> Acknowledgements(Evidence evidence)
    {
        foreach (IGrouping<(string, string Key), Acknowledgement> job in evidence.Acknowledged.GroupBy(static told => (told.Request.Project, told.Request.Key)))
        {
            string[] ids = [.. job.Select(static told => told.Run).Distinct(StringComparer.Ordinal)];
            if (ids.Length > 1)
            {
                yield return new Violation("acknowledged", $"{job.Key} was acknowledged as {string.Join(" and ", ids)}.");
            }

            if (evidence.Runs.FirstOrDefault(run => run.Run.Id == ids[0]) is not { } run)
            {
                yield return new Violation("acknowledged", $"{job.Key} was acknowledged as {ids[0]} and is not there.");
                continue;
            }

            RunState wanted = job.First().Request.Moves.Contains(TrialMove.Hopeless) ? RunState.Dead : RunState.Succeeded;
            if (run.Run.State != wanted && !(run.Run.State == RunState.Cancelled && evidence.Cancelled.Contains(run.Run.Id)))
            {
                yield return new Violation("acknowledged", $"{run} should have ended as {wanted}: {run.Run.Error?.Code} {run.Run.Error?.Message}");
            }
        }

        foreach (IGrouping<(string, string?), RunEvidence> runs in evidence.Runs.Where(static run => run.Run.Key is not null)
            .GroupBy(static run => (run.Run.Project, run.Run.Key)).Where(static runs => runs.Count() > 1))
        {
            yield return new Violation("acknowledged", $"{runs.Key} is there {runs.Count()} times.");
        }
    }

    /// <summary>
    /// Each step is recorded once; what is recorded took place; no claim that came after the record has executed the step again, and an unsafe one was never
    /// executed twice.
    /// </summary>
    private static IEnumerable<Violation> Steps(RunEvidence run, Evidence evidence)
    {
        ILookup<string, Effect> effects = evidence.Effects.Where(effect => effect.Run == run.Run.Id).ToLookup(static effect => effect.Address);
        foreach (IGrouping<string, Effect> step in effects)
        {
            if (step.First().Class == EffectClass.Unsafe && step.Count() > 1)
            {
                yield return new Violation("unsafe", $"{run} has executed {step.Key} {step.Count()} times.");
            }

            if (step.GroupBy(static effect => effect.Fence).Any(static claim => claim.Count() > 1))
            {
                yield return new Violation("one effect", $"{run} has executed {step.Key} twice under one claim.");
            }
        }

        foreach (IGrouping<string, NumberedEvent> step in run.Events.Where(static numbered => numbered.Event is JournalEvent.StepSucceeded)
            .GroupBy(static numbered => ((JournalEvent.StepSucceeded)numbered.Event).Address))
        {
            if (step.Count() > 1)
            {
                yield return new Violation("one record", $"{run} has recorded {step.Key} {step.Count()} times.");
            }

            long recorded = step.First().Number;
            var later = run.Events.Where(numbered => numbered.Number > recorded).Select(static numbered => numbered.Event).OfType<JournalEvent.AttemptStarted>()
                .Select(static start => start.Fence).ToHashSet();
            if (effects[step.Key].FirstOrDefault(effect => later.Contains(effect.Fence)) is { } again)
            {
                yield return new Violation("one effect", $"{run} has executed {step.Key} under the claim {again.Fence}, after its record in event {recorded}.");
            }

            var output = (JournalEvent.StepSucceeded)step.First().Event;
            if (WrittenBy(evidence, output.Output) is { } said && !evidence.Effects.Any(effect => effect.Name == said.Name))
            {
                yield return new Violation("true records", $"{run} has recorded {said.Name} at {step.Key}, which nobody has done.");
            }
        }
    }

    /// <summary>Nobody writes but who holds the run: whatever tells under which claim it was written follows that claim, with no other one between.</summary>
    private static IEnumerable<Violation> Zombies(RunEvidence run, Evidence evidence)
    {
        long fence = 0;
        foreach (NumberedEvent numbered in run.Events)
        {
            long? writer = numbered.Event switch
            {
                JournalEvent.StepSucceeded { Source: StepSource.Executed } step => WrittenBy(evidence, step.Output)?.Fence,
                JournalEvent.Succeeded success => Under(evidence.Values.GetValueOrDefault(success.Output)) ?? WrittenBy(evidence, success.Output)?.Fence,
                JournalEvent.Progressed progress => Under(progress.Message),
                JournalEvent.StepFailed failed => Under(failed.Error.Message),
                JournalEvent.AttemptFailed failed => Under(failed.Error.Message),
                JournalEvent.Died died => Under(died.Error.Message),
                _ => null,
            };
            if (numbered.Event is JournalEvent.AttemptStarted start)
            {
                if (start.Fence <= fence)
                {
                    yield return new Violation("zombie", $"{run} was claimed with the fence {start.Fence} after {fence}.");
                }

                fence = start.Fence;
            }
            else if (writer is { } known && known != fence && !(numbered.Event is JournalEvent.Succeeded && run.Run.Type == CrashChild.TypeName))
            {
                yield return new Violation(
                    "zombie", $"{run}: event {numbered.Number} ({numbered.Event.Kind}) was written under the claim {known}, not the last one, {fence}.");
            }
        }
    }

    /// <summary>Who may have begun an unsafe step and did not record it leaves the run parked, and it goes on only when that was decided.</summary>
    private static IEnumerable<Violation> Doubts(RunEvidence run)
    {
        var open = new HashSet<string>(StringComparer.Ordinal);
        var recorded = new HashSet<string>(StringComparer.Ordinal);
        foreach (NumberedEvent numbered in run.Events)
        {
            switch (numbered.Event)
            {
                case JournalEvent.AttemptStarted when open.Count > 0:
                    yield return new Violation("doubt", $"{run} was claimed at event {numbered.Number} while {string.Join(", ", open)} was in doubt.");
                    break;
                case JournalEvent.StepParked parked when !open.Contains(parked.Address):
                    yield return new Violation("doubt", $"{run} was parked at event {numbered.Number} for {parked.Address}, which was not begun.");
                    break;
                case JournalEvent.StepStarted step when recorded.Contains(step.Address):
                    yield return new Violation("doubt", $"{run} began {step.Address} at event {numbered.Number} although it was recorded.");
                    break;
                case JournalEvent.Succeeded when open.Count > 0:
                    yield return new Violation("doubt", $"{run} has succeeded although nobody knew what became of {string.Join(", ", open)}.");
                    break;
                case JournalEvent.StepStarted step:
                    open.Add(step.Address);
                    break;
                case JournalEvent.StepSucceeded step:
                    recorded.Add(step.Address);
                    open.Remove(step.Address);
                    break;
                case JournalEvent.StepFailed step:
                    open.Remove(step.Address);
                    break;
                case JournalEvent.StepRetryDecided step:
                    open.Remove(step.Address);
                    break;
            }
        }
    }

    private static bool IsEnd(JournalEvent happened) => happened is JournalEvent.Succeeded or JournalEvent.Cancelled or JournalEvent.Died;

    /// <summary>The effect that a value tells of; null when it tells of none.</summary>
    private static Effect? WrittenBy(Evidence evidence, string hash) =>
        evidence.Values.TryGetValue(hash, out string? value) && value.StartsWith('"') ? Effect.Parse(value[1..]) : null;

    /// <summary>The claim that a text tells of.</summary>
    private static long? Under(string? text)
    {
        const string Word = "under ";
        string said = text is null ? "" : text.TrimStart('[', '"');
        string digits = said.StartsWith(Word, StringComparison.Ordinal) ? string.Concat(said[Word.Length..].TakeWhile(char.IsAsciiDigit)) : "";
        return digits.Length > 0 ? long.Parse(digits, CultureInfo.InvariantCulture) : null;
    }
}
