using System.Data.Common;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Storage;

namespace HelixFlow.Gateway.Conversations;

/// <summary>A stored conversation.</summary>
internal sealed record StoredConversation(string Id, long CreatedAt, string MetadataJson);

/// <summary>Keeps conversations in the gateway's database. Thread-safe; what a task has written is durable.</summary>
internal sealed class ConversationStore(IDatabase database)
{
    public Task InsertAsync(string project, StoredConversation conversation, IReadOnlyList<StoredItem> items, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            session.Execute(
                "INSERT INTO conversations (id, project, created_at, metadata) VALUES ($1, $2, $3, $4)", conversation.Id, project, conversation.CreatedAt, conversation.MetadataJson);
            Append(session, conversation.Id, items);
        },
        cancellationToken);

    /// <summary>A project's conversation; null when it has none of that id.</summary>
    public Task<StoredConversation?> FindAsync(string project, string id, CancellationToken cancellationToken) =>
        database.ReadAsync(session => Find(session, project, id), cancellationToken);

    /// <summary>Replaces a conversation's metadata; null when there is no such conversation.</summary>
    public Task<StoredConversation?> UpdateAsync(string project, string id, string metadata, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            session.Execute("UPDATE conversations SET metadata = $3 WHERE id = $1 AND project = $2", id, project, metadata);
            return Find(session, project, id);
        },
        cancellationToken);

    /// <summary>Deletes a conversation with its items; false when there is no such conversation.</summary>
    public Task<bool> DeleteAsync(string project, string id, CancellationToken cancellationToken) =>
        database.WriteAsync(session => session.Execute("DELETE FROM conversations WHERE id = $1 AND project = $2", id, project) > 0, cancellationToken);

    /// <summary>A conversation's items, oldest first; null when there is no such conversation.</summary>
    public Task<List<StoredItem>?> ItemsAsync(string project, string id, CancellationToken cancellationToken) => database.ReadAsync(
        session => Find(session, project, id) is null ? null : session.Query("SELECT id, item FROM conversation_items WHERE conversation = $1 ORDER BY position", Item, id),
        cancellationToken);

    /// <summary>Adds items at a conversation's end; false when there is no such conversation.</summary>
    public Task<bool> AddAsync(string project, string id, IReadOnlyList<StoredItem> items, CancellationToken cancellationToken) => database.WriteAsync(
        session => Find(session, project, id) is not null && Append(session, id, items), cancellationToken);

    /// <summary>Deletes an item; false when the conversation does not have it.</summary>
    public Task<bool> DeleteItemAsync(string conversation, string item, CancellationToken cancellationToken) =>
        database.WriteAsync(session => session.Execute("DELETE FROM conversation_items WHERE conversation = $1 AND id = $2", conversation, item) > 0, cancellationToken);

    /// <summary>Adds items at a conversation's end inside another write; false when the conversation is gone.</summary>
    public static bool Append(SqlSession session, string conversation, IReadOnlyList<StoredItem> items)
    {
        // An update, so that two who append at once do so one after the other.
        if (session.Execute("UPDATE conversations SET id = id WHERE id = $1", conversation) == 0)
        {
            return false;
        }

        long position = session.Number("SELECT MAX(position) FROM conversation_items WHERE conversation = $1", conversation);
        foreach (StoredItem item in items)
        {
            session.Execute("INSERT INTO conversation_items (conversation, position, id, item) VALUES ($1, $2, $3, $4)", conversation, ++position, item.Id, item.Json);
        }

        return true;
    }

    private static StoredConversation? Find(SqlSession session, string project, string id) => session.First(
        "SELECT id, created_at, metadata FROM conversations WHERE id = $1 AND project = $2",
        static row => new StoredConversation(row.GetString(0), row.GetInt64(1), row.GetString(2)),
        id,
        project);

    private static StoredItem Item(DbDataReader row) => new(row.GetString(0), row.GetString(1));
}
