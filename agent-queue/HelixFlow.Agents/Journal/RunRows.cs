using System.Data.Common;
using System.Text.Json;
using HelixFlow.Agents.Webhooks;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>The table of runs as records.</summary>
internal static class RunRows
{
    /// <summary>The columns that <see cref="Read"/> expects, in its order.</summary>
    public const string Columns = """
        number, id, project, type, state, priority, input, output, error, options, labels, request_key, schedule, not_before, cancel_requested,
        epoch, attempt, worker, progress, message, runs.created_at, started_at, ended_at, last_event, fence, end_by, has_waiters, waits_for, signal, forked_from, webhook,
        model_calls, prompt_tokens, completion_tokens
        """;

    /// <summary>How many they are.</summary>
    public const int Count = 34;

    public static RunRecord Read(DbDataReader row) => new()
    {
        Number = row.GetInt64(0),
        Id = row.GetString(1),
        Project = row.GetString(2),
        Type = row.GetString(3),
        State = (RunState)row.GetInt64(4),
        Priority = (RunPriority)row.GetInt64(5),
        Input = row.GetString(6),
        Output = Text(row, 7),
        Error = Text(row, 8) is { } error ? JsonSerializer.Deserialize(error, JournalJson.Default.RunError) : null,
        Options = JsonSerializer.Deserialize(row.GetString(9), JournalJson.Default.RunOptions)!,
        Labels = Text(row, 10) is { } labels ? JsonSerializer.Deserialize(labels, JournalJson.Default.IReadOnlyDictionaryStringString) : null,
        Key = Text(row, 11),
        Schedule = Text(row, 12),
        NotBefore = row.GetInt64(13),
        CancelRequested = row.GetInt64(14) != 0,
        Epoch = (int)row.GetInt64(15),
        Attempt = (int)row.GetInt64(16),
        Worker = Text(row, 17),
        Progress = (int)row.GetInt64(18),
        Message = Text(row, 19),
        CreatedAt = row.GetInt64(20),
        StartedAt = row.GetInt64(21),
        EndedAt = row.GetInt64(22),
        LastEvent = row.GetInt64(23),
        Fence = row.GetInt64(24),
        EndBy = row.GetInt64(25),
        HasWaiters = row.GetInt64(26) != 0,
        WaitsFor = row.GetInt64(27),
        Signal = Text(row, 28),
        IsFork = !row.IsDBNull(29),
        Webhook = (WebhookEvents)row.GetInt64(30),
        Usage = new RunUsage(row.GetInt64(31), row.GetInt64(32), row.GetInt64(33)),
    };

    /// <summary>The run with an id; null when the project has none.</summary>
    public static RunRecord? Find(SqlSession session, string project, string id) =>
        session.First($"select {Columns} from runs where id = $1 and project = $2", Read, id, project);

    public static string? Text(DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);
}
