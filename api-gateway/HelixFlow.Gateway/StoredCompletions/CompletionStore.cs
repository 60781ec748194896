using System.Data.Common;
using System.Text.Json;
using HelixFlow.Gateway.Requests;
using HelixFlow.Storage;

namespace HelixFlow.Gateway.StoredCompletions;

/// <summary>A chat completion that was created with "store".</summary>
/// <param name="Id">Its id.</param>
/// <param name="Created">Seconds since 1970.</param>
/// <param name="Model">The model that made it.</param>
/// <param name="MetadataJson">What the client attached to it.</param>
/// <param name="Body">The completion object without its metadata.</param>
/// <param name="Messages">The request's messages as a JSON array.</param>
internal sealed record StoredCompletion(string Id, long Created, string Model, string MetadataJson, string Body, string Messages);

/// <summary>Keeps chat completions in the gateway's database. Thread-safe; what a task has written is durable.</summary>
internal sealed class CompletionStore(IDatabase database)
{
    // Metadata is compared here, not by the database: databases differ in what they know of JSON.
    private const int BatchSize = 200;

    private const string Columns = "id, created, model, metadata, body, messages";

    public Task InsertAsync(string project, StoredCompletion completion, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.Execute(
            "INSERT INTO stored_completions (id, project, created, model, metadata, body, messages) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            completion.Id, project, completion.Created, completion.Model, completion.MetadataJson, completion.Body, completion.Messages),
        cancellationToken);

    /// <summary>A project's completion; null when it has none of that id.</summary>
    public Task<StoredCompletion?> FindAsync(string project, string id, CancellationToken cancellationToken) => database.ReadAsync(session => Find(session, project, id), cancellationToken);

    /// <summary>Replaces a completion's metadata; null when there is no such completion.</summary>
    public Task<StoredCompletion?> UpdateAsync(string project, string id, string metadata, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            session.Execute("UPDATE stored_completions SET metadata = $3 WHERE id = $1 AND project = $2", id, project, metadata);
            return Find(session, project, id);
        },
        cancellationToken);

    /// <summary>Deletes a completion; false when there is no such completion.</summary>
    public Task<bool> DeleteAsync(string project, string id, CancellationToken cancellationToken) =>
        database.WriteAsync(session => session.Execute("DELETE FROM stored_completions WHERE id = $1 AND project = $2", id, project) > 0, cancellationToken);

    /// <summary>A page of a project's completions; null when the one that it begins after is not there.</summary>
    /// <param name="project">Whose.</param>
    /// <param name="page">Which part of the list.</param>
    /// <param name="model">Only this model's; null for all.</param>
    /// <param name="metadata">Only those that have all of these.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<Page<StoredCompletion>?> ListAsync(
        string project, PageQuery page, string? model, IReadOnlyDictionary<string, string> metadata, CancellationToken cancellationToken) => database.ReadAsync<Page<StoredCompletion>?>(
        session =>
        {
            long after = page.Descending ? long.MaxValue : 0;
            if (page.After is { } id && (after = session.Number("SELECT sequence FROM stored_completions WHERE id = $1 AND project = $2", id, project)) == 0)
            {
                return null;
            }

            string next =
                $"""
                SELECT {Columns}, sequence FROM stored_completions WHERE project = $1 AND sequence {(page.Descending ? "<" : ">")} $2
                ORDER BY sequence {(page.Descending ? "DESC" : "ASC")} LIMIT {BatchSize}
                """;
            var found = new List<StoredCompletion>();
            List<(StoredCompletion Completion, long Sequence)> batch;
            do
            {
                batch = session.Query(next, static row => (Read(row), row.GetInt64(6)), project, after);
                found.AddRange(batch.Select(static row => row.Completion).Where(completion => (model is null || completion.Model == model) && HasAll(completion.MetadataJson, metadata)));
                after = batch.Count > 0 ? batch[^1].Sequence : 0;
            }
            while (batch.Count == BatchSize && found.Count <= page.Limit);

            return new Page<StoredCompletion>(found.Count > page.Limit ? found[..page.Limit] : found, found.Count > page.Limit);
        },
        cancellationToken);

    /// <summary>Deletes what was created before a time, in seconds since 1970.</summary>
    public Task SweepAsync(long before, CancellationToken cancellationToken) =>
        database.WriteAsync(session => session.Execute("DELETE FROM stored_completions WHERE created < $1", before), cancellationToken);

    private static bool HasAll(string json, IReadOnlyDictionary<string, string> wanted)
    {
        if (wanted.Count == 0)
        {
            return true;
        }

        using JsonDocument metadata = JsonDocument.Parse(json);
        return wanted.All(pair => metadata.RootElement.TryGetProperty(pair.Key, out JsonElement value) && value.ValueEquals(pair.Value));
    }

    private static StoredCompletion? Find(SqlSession session, string project, string id) =>
        session.First($"SELECT {Columns} FROM stored_completions WHERE id = $1 AND project = $2", Read, id, project);

    private static StoredCompletion Read(DbDataReader row) =>
        new(row.GetString(0), row.GetInt64(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5));
}
