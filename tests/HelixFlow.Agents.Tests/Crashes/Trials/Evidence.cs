using System.Text;
using HelixFlow.Agents.CrashHost;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Tests.Journal;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Tests.Crashes.Trials;

/// <summary>A job that somebody was told is taken.</summary>
/// <param name="Request">What was asked for.</param>
/// <param name="Run">The id that came back.</param>
internal sealed record Acknowledgement(TrialRequest Request, string Run);

/// <summary>A run and what its journal tells.</summary>
internal sealed record RunEvidence(RunRecord Run, IReadOnlyList<NumberedEvent> Events)
{
    public override string ToString() => $"{Run.Id} ({Run.Type}, {Run.State})";
}

/// <summary>What is there when a trial is over.</summary>
/// <param name="Runs">All runs, by their numbers.</param>
/// <param name="Values">The beginning of each value that a step or a run has given, by its hash.</param>
/// <param name="Queue">How the runs went through the queue.</param>
/// <param name="Effects">What steps did to the world.</param>
/// <param name="Acknowledged">What those who asked were told; a job that was asked for several times is there several times.</param>
/// <param name="Cancelled">Ids of runs that somebody has wanted to end.</param>
/// <param name="Difference">Where a table differs from what the events tell; null for nowhere.</param>
internal sealed record Evidence(
    IReadOnlyList<RunEvidence> Runs, IReadOnlyDictionary<string, string> Values, IReadOnlyList<QueueNote> Queue, IReadOnlyList<Effect> Effects,
    IReadOnlyList<Acknowledgement> Acknowledged, IReadOnlySet<string> Cancelled, string? Difference)
{
    private const int Beginning = 200;

    /// <summary>Reads it all.</summary>
    public static async Task<Evidence> LoadAsync(
        TrialStore store, IDatabase database, IReadOnlyList<Acknowledgement> acknowledged, IReadOnlySet<string> cancelled)
    {
        CancellationToken token = TestContext.Current.CancellationToken;
        List<RunEvidence> runs = await database.ReadAsync(ReadRuns, token);
        List<QueueNote> queue = await database.ReadAsync(session => QueueTrace.Load(session, database.Dialect), token);
        Agents.Journal.Journal journal = store.JournalOn(database, 0);
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string hash in runs.SelectMany(static run => run.Events).Select(static numbered => numbered.Event switch
        {
            JournalEvent.StepSucceeded { Class: not EffectClass.Gate } step when !step.Address.StartsWith("artifact/", StringComparison.Ordinal) => step.Output,
            JournalEvent.Succeeded success => success.Output,
            _ => null,
        }).OfType<string>().Distinct(StringComparer.Ordinal))
        {
            string value = Encoding.UTF8.GetString(await journal.ReadAsync(hash, token));
            values[hash] = value[..Math.Min(Beginning, value.Length)];
        }

        return new Evidence(runs, values, queue, Effect.In(store.Effects), acknowledged, cancelled, await DifferenceAsync(database, token));
    }

    private static List<RunEvidence> ReadRuns(SqlSession session) => session.Query($"select {RunRows.Columns} from runs order by number", RunRows.Read)
        .ConvertAll(run => new RunEvidence(run, session.Query(
            "select seq, at, kind, version, body from events where run = $1 order by seq",
            static row => new NumberedEvent(row.GetInt64(0), row.GetInt64(1), JournalEvent.Parse(row.GetString(2), (int)row.GetInt64(3), row.GetString(4))),
            run.Number)));

    private static async Task<string?> DifferenceAsync(IDatabase database, CancellationToken token)
    {
        try
        {
            await Ledger.CheckAsync(database, token);
            return null;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return exception.Message;
        }
    }
}
