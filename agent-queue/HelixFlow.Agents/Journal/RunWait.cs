namespace HelixFlow.Agents.Journal;

/// <summary>What a run waits for.</summary>
/// <param name="Until">A time in milliseconds since 1970; null for none.</param>
/// <param name="Signals">Names of signals, one of which is enough.</param>
/// <param name="Runs">Ids of runs.</param>
/// <param name="IsAnyEnough">Whether the end of one of the runs is enough, not of all.</param>
public sealed record RunWait(long? Until, IReadOnlyList<string> Signals, IReadOnlyList<string> Runs, bool IsAnyEnough)
{
    /// <summary>Several waits of a run as one, which ends when one of them does.</summary>
    internal static RunWait Of(IReadOnlyList<RunWait> waits) => waits is [var only] ? only : new RunWait(
        waits.Min(static wait => wait.Until), [.. waits.SelectMany(static wait => wait.Signals).Distinct(StringComparer.Ordinal)],
        [.. waits.SelectMany(static wait => wait.Runs).Distinct(StringComparer.Ordinal)],
        waits.Any(static wait => wait.IsAnyEnough) || waits.Count(static wait => wait.Runs.Count > 0) > 1);
}
