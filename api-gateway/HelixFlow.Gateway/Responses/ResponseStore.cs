using System.Data.Common;
using System.Text;
using HelixFlow.Gateway.Conversations;
using HelixFlow.Gateway.Membership;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Storage;

namespace HelixFlow.Gateway.Responses;

/// <summary>A stored response.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Project">Whose it is.</param>
/// <param name="CreatedAt">Seconds since 1970.</param>
/// <param name="Status">As clients see it.</param>
/// <param name="IsBackground">Whether it was created to run in the background.</param>
/// <param name="IsStreamed">Whether its events are kept.</param>
/// <param name="HasBegun">Whether a piece of its output may have been delivered; only kept for streams in the background.</param>
/// <param name="Request">The request's body while a response in the background is not finished.</param>
/// <param name="Body">The response object.</param>
internal sealed record StoredResponse(
    string Id, string Project, long CreatedAt, string Status, bool IsBackground, bool IsStreamed, bool HasBegun, string? Request, string Body);

/// <summary>Keeps responses in the gateway's database. Thread-safe; what a task has written is durable.</summary>
/// <remarks>
/// A response that others build on is only hidden when it is deleted: their context is made of its items. One that runs belongs to the gateway that runs
/// it; what another one has taken or deleted meanwhile is not written any more.
/// </remarks>
internal sealed class ResponseStore(IDatabase database, GatewayMembership membership)
{
    private const string Columns = "id, project, created_at, status, background, streamed, begun, request, body";

    /// <summary>Stores a response that begins.</summary>
    public Task InsertAsync(StoredResponse response, string? previous, IReadOnlyList<StoredItem> input, CancellationToken cancellationToken) =>
        database.WriteAsync(session => Insert(session, response, previous, input), cancellationToken);

    /// <summary>
    /// Stores a response that has ended: itself, its items, the rest of its events and what it adds to its conversation, all or nothing; nothing when it was
    /// stored before and is not this gateway's any more.
    /// </summary>
    public Task FinishAsync(FinishedResponse finished, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            StoredResponse response = finished.Response;
            if (!finished.IsStored)
            {
                Insert(session, response, finished.Previous, finished.Input);
            }
            else if (session.Execute(
                "UPDATE responses SET status = $2, body = $3, request = NULL WHERE id = $1 AND owner = $4", response.Id, response.Status, response.Body, membership.Id) == 0)
            {
                return;
            }

            int position = finished.Input.Count;
            foreach (StoredItem item in finished.Output)
            {
                session.Execute("INSERT INTO response_items (response, position, output, id, item) VALUES ($1, $2, 1, $3, $4)", response.Id, position++, item.Id, item.Json);
            }

            AddEvents(session, response.Id, finished.FirstEvent, finished.Events);
            if (finished.Conversation is { } conversation)
            {
                ConversationStore.Append(session, conversation, [.. finished.Input, .. finished.Output]);
            }
        },
        cancellationToken);

    /// <summary>Adds to a response's stream.</summary>
    public Task AddEventsAsync(string id, int first, IReadOnlyList<byte[]> events, CancellationToken cancellationToken) =>
        database.WriteAsync(session => AddEvents(session, id, first, events), cancellationToken);

    /// <summary>Notes that pieces of the response's output may be delivered from now on.</summary>
    public Task BeginAsync(string id, CancellationToken cancellationToken) =>
        database.WriteAsync(session => session.Execute("UPDATE responses SET begun = 1 WHERE id = $1", id), cancellationToken);

    /// <summary>Forgets the stream of a response that is run anew.</summary>
    public Task RestartAsync(string id, CancellationToken cancellationToken) =>
        database.WriteAsync(session => session.Execute("DELETE FROM response_events WHERE response = $1", id), cancellationToken);

    /// <summary>A project's response; null when it has none of that id.</summary>
    public Task<StoredResponse?> FindAsync(string project, string id, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.First($"SELECT {Columns} FROM responses WHERE id = $1 AND project = $2 AND hidden = 0", Read, id, project), cancellationToken);

    /// <summary>Takes the responses that processes have left which are no more, oldest first.</summary>
    public async Task<List<StoredResponse>> TakeLeftAsync(CancellationToken cancellationToken)
    {
        const string IsLeft = $"status IN ('queued', 'in_progress') AND (owner IS NULL OR owner <> $1) AND {GatewayMembership.IsFree}";
        if (await database.ReadAsync(session => session.Number($"SELECT COUNT(*) FROM responses WHERE {IsLeft}", membership.Id, membership.Now), cancellationToken) == 0)
        {
            return [];
        }

        List<StoredResponse> taken = await database.WriteAsync(
            session => session.Query($"UPDATE responses SET owner = $1 WHERE {IsLeft} RETURNING {Columns}", Read, membership.Id, membership.Now), cancellationToken);
        return [.. taken.OrderBy(static response => response.CreatedAt)];
    }

    /// <summary>Asks the gateway that runs a response to end it.</summary>
    public Task AskToCancelAsync(string id, CancellationToken cancellationToken) =>
        database.WriteAsync(session => session.Execute("UPDATE responses SET cancelling = 1 WHERE id = $1", id), cancellationToken);

    /// <summary>Those of this gateway's responses that another one asks it to end.</summary>
    public Task<List<string>> ToCancelAsync(CancellationToken cancellationToken) => database.ReadAsync(
        session => session.Query(
            "SELECT id FROM responses WHERE status IN ('queued', 'in_progress') AND cancelling = 1 AND owner = $1", static row => row.GetString(0), membership.Id),
        cancellationToken);

    /// <summary>The events of a response's stream that follow the one of this number.</summary>
    public Task<List<byte[]>> EventsAsync(string id, int after, CancellationToken cancellationToken) => database.ReadAsync(
        session =>
        {
            var events = new List<byte[]>();
            foreach ((int first, string text) in session.Query(
                "SELECT first, events FROM response_events WHERE response = $1 ORDER BY first", static row => ((int)row.GetInt64(0), row.GetString(1)), id))
            {
                int number = first;
                events.AddRange(text.Split('\n').Where(_ => number++ > after).Select(Encoding.UTF8.GetBytes));
            }

            return events;
        },
        cancellationToken);

    /// <summary>How many events of a response's stream are stored.</summary>
    public Task<int> CountEventsAsync(string id, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.First(
            "SELECT first, events FROM response_events WHERE response = $1 ORDER BY first DESC LIMIT 1",
            static row => (int)row.GetInt64(0) + row.GetString(1).Count(static c => c == '\n') + 1,
            id),
        cancellationToken);

    /// <summary>The items that a response was made from: those of the responses before it with their output, then its own; null when one is not there.</summary>
    public Task<List<StoredItem>?> InputAsync(string project, string id, CancellationToken cancellationToken) =>
        database.ReadAsync(session => Chain(session, project, id, withOutput: false), cancellationToken);

    /// <summary>A response's own input, without what it builds on.</summary>
    public Task<List<StoredItem>> OwnInputAsync(string id, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.Query("SELECT id, item FROM response_items WHERE response = $1 AND output = 0 ORDER BY position", Item, id), cancellationToken);

    /// <summary>The same with the response's own output: what a response that continues it begins with.</summary>
    public Task<List<StoredItem>?> ContextAsync(string project, string id, CancellationToken cancellationToken) =>
        database.ReadAsync(session => Chain(session, project, id, withOutput: true), cancellationToken);

    /// <summary>An item of any of a project's responses or conversations; null when there is none.</summary>
    public Task<StoredItem?> FindItemAsync(string project, string id, CancellationToken cancellationToken) => database.ReadAsync(
        session =>
            session.First(
                "SELECT i.id, i.item FROM response_items i JOIN responses r ON r.id = i.response WHERE i.id = $1 AND r.project = $2 AND r.hidden = 0 LIMIT 1", Item, id, project)
            ?? session.First(
                "SELECT i.id, i.item FROM conversation_items i JOIN conversations c ON c.id = i.conversation WHERE i.id = $1 AND c.project = $2 LIMIT 1", Item, id, project),
        cancellationToken);

    /// <summary>Deletes a project's response; false when it has none of that id.</summary>
    public Task<bool> DeleteAsync(string project, string id, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            bool isThere = session.Execute("UPDATE responses SET hidden = 1 WHERE id = $1 AND project = $2 AND hidden = 0", id, project) > 0;
            if (isThere)
            {
                RemoveHidden(session);
            }

            return isThere;
        },
        cancellationToken);

    /// <summary>Deletes what was created before a time, in seconds since 1970, and is neither in progress nor part of something younger.</summary>
    public Task SweepAsync(long before, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            session.Execute(
                """
                WITH RECURSIVE needed(id) AS (
                    SELECT previous FROM responses WHERE hidden = 0 AND created_at >= $1 AND previous IS NOT NULL
                    UNION SELECT r.previous FROM responses r JOIN needed n ON r.id = n.id WHERE r.previous IS NOT NULL)
                UPDATE responses SET hidden = 1 WHERE hidden = 0 AND created_at < $1 AND status NOT IN ('queued', 'in_progress') AND id NOT IN (SELECT id FROM needed)
                """,
                before);
            RemoveHidden(session);
        },
        cancellationToken);

    // A chain of hidden responses falls from its end.
    private static void RemoveHidden(SqlSession session)
    {
        while (session.Execute("DELETE FROM responses WHERE hidden = 1 AND NOT EXISTS (SELECT 1 FROM responses later WHERE later.previous = responses.id)") > 0)
        {
        }
    }

    private void Insert(SqlSession session, StoredResponse response, string? previous, IReadOnlyList<StoredItem> input)
    {
        session.Execute(
            "INSERT INTO responses (id, project, created_at, status, background, streamed, previous, request, body, owner) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            response.Id, response.Project, response.CreatedAt, response.Status, response.IsBackground ? 1 : 0, response.IsStreamed ? 1 : 0, previous, response.Request, response.Body, membership.Id);
        for (int position = 0; position < input.Count; position++)
        {
            session.Execute(
                "INSERT INTO response_items (response, position, output, id, item) VALUES ($1, $2, 0, $3, $4)", response.Id, position, input[position].Id, input[position].Json);
        }
    }

    private static void AddEvents(SqlSession session, string id, int first, IReadOnlyList<byte[]> events)
    {
        if (events.Count > 0)
        {
            session.Execute("INSERT INTO response_events (response, first, events) VALUES ($1, $2, $3)", id, first, string.Join('\n', events.Select(Encoding.UTF8.GetString)));
        }
    }

    private static List<StoredItem>? Chain(SqlSession session, string project, string id, bool withOutput)
    {
        var chain = new List<string>();
        for (string? next = id; next is not null;)
        {
            (string? Previous, bool IsThere) row = session.First(
                "SELECT previous FROM responses WHERE id = $1 AND project = $2", static row => (row.IsDBNull(0) ? null : row.GetString(0), true), next, project);
            if (!row.IsThere)
            {
                return null;
            }

            chain.Add(next);
            next = row.Previous;
        }

        var items = new List<StoredItem>();
        for (int i = chain.Count - 1; i >= 0; i--)
        {
            items.AddRange(session.Query(
                "SELECT id, item FROM response_items WHERE response = $1 AND output <= $2 ORDER BY position", Item, chain[i], i > 0 || withOutput ? 1 : 0));
        }

        return items;
    }

    private static StoredItem Item(DbDataReader row) => new(row.GetString(0), row.GetString(1));

    private static StoredResponse Read(DbDataReader row) => new(
        row.GetString(0),
        row.GetString(1),
        row.GetInt64(2),
        row.GetString(3),
        row.GetInt64(4) != 0,
        row.GetInt64(5) != 0,
        row.GetInt64(6) != 0,
        row.IsDBNull(7) ? null : row.GetString(7),
        row.GetString(8));
}

/// <summary>All that is stored when a response has ended; <c>IsStored</c> says whether it was stored when it began.</summary>
internal sealed record FinishedResponse(
    StoredResponse Response,
    bool IsStored,
    string? Previous,
    IReadOnlyList<StoredItem> Input,
    IReadOnlyList<StoredItem> Output,
    string? Conversation,
    int FirstEvent,
    IReadOnlyList<byte[]> Events);
