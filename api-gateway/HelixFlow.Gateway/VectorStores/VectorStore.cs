using System.Data.Common;
using System.Text.Json;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>A vector store as clients see it.</summary>
/// <param name="Seq">Its place in the order of creation.</param>
/// <param name="Id">"vs_…".</param>
/// <param name="Name">May be empty.</param>
/// <param name="Description">Null for none.</param>
/// <param name="Metadata">JSON; null for none.</param>
/// <param name="CreatedAt">Seconds since 1970.</param>
/// <param name="LastActiveAt">Seconds since 1970: when it was last searched, or files were added.</param>
/// <param name="ExpiresDays">After it was last active; null for never.</param>
/// <param name="Model">Whose vectors it holds; null until its first file is read.</param>
/// <param name="Dimensions">Of its vectors; 0 until the first one.</param>
/// <param name="Files">Its files by their states.</param>
/// <param name="UsageBytes">Of its chunks' texts and vectors.</param>
internal sealed record VectorStore(
    long Seq, string Id, string Name, string? Description, string? Metadata, long CreatedAt, long LastActiveAt, long? ExpiresDays, string? Model, int Dimensions, FileCounts Files, long UsageBytes)
{
    private const long SecondsPerDay = 86_400;

    public const string Columns =
        """
        seq, id, name, description, metadata, created_at, last_active_at, expires_days, model, coalesce(dimensions, 0),
        (select count(*) from vector_files f where f.store = vector_stores.seq and status = 'in_progress'),
        (select count(*) from vector_files f where f.store = vector_stores.seq and status = 'completed'),
        (select count(*) from vector_files f where f.store = vector_stores.seq and status = 'failed'),
        (select count(*) from vector_files f where f.store = vector_stores.seq and status = 'cancelled'),
        (select cast(coalesce(sum(usage_bytes), 0) as bigint) from vector_files f where f.store = vector_stores.seq)
        """;

    /// <summary>Seconds since 1970; null for never.</summary>
    public long? ExpiresAt => LastActiveAt + (ExpiresDays * SecondsPerDay);

    public bool IsExpired(long now) => ExpiresAt <= now;

    public static VectorStore Read(DbDataReader row) => new(
        row.GetInt64(0), row.GetString(1), row.GetString(2), row.IsDBNull(3) ? null : row.GetString(3), row.IsDBNull(4) ? null : row.GetString(4), row.GetInt64(5), row.GetInt64(6),
        row.IsDBNull(7) ? null : row.GetInt64(7), row.IsDBNull(8) ? null : row.GetString(8), row.GetInt32(9), FileCounts.Read(row, 10), row.GetInt64(14));

    public static void Write(Utf8JsonWriter json, (VectorStore Store, long Now) state)
    {
        VectorStore store = state.Store;
        json.WriteStartObject();
        json.WriteString("id"u8, store.Id);
        json.WriteString("object"u8, "vector_store"u8);
        json.WriteNumber("created_at"u8, store.CreatedAt);
        json.WriteString("name"u8, store.Name);
        json.WriteString("description"u8, store.Description);
        json.WriteNumber("usage_bytes"u8, store.UsageBytes);
        store.Files.Write(json);
        json.WriteString("status"u8, store.IsExpired(state.Now) ? "expired" : store.Files.InProgress > 0 ? "in_progress" : "completed");
        if (store.ExpiresDays is { } days)
        {
            json.WriteStartObject("expires_after"u8);
            json.WriteString("anchor"u8, "last_active_at"u8);
            json.WriteNumber("days"u8, days);
            json.WriteEndObject();
            json.WriteNumber("expires_at"u8, store.ExpiresAt!.Value);
        }
        else
        {
            // Without a policy the field is absent: the contract has no null for it.
            json.WriteNull("expires_at"u8);
        }

        json.WriteNumber("last_active_at"u8, store.LastActiveAt);
        json.WritePropertyName("metadata"u8);
        json.WriteRawValue(store.Metadata ?? "{}", skipInputValidation: true);
        json.WriteEndObject();
    }
}

/// <summary>Files by their states.</summary>
internal readonly record struct FileCounts(long InProgress, long Completed, long Failed, long Cancelled)
{
    public long Total => InProgress + Completed + Failed + Cancelled;

    public static FileCounts Read(DbDataReader row, int first) => new(row.GetInt64(first), row.GetInt64(first + 1), row.GetInt64(first + 2), row.GetInt64(first + 3));

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject("file_counts"u8);
        json.WriteNumber("in_progress"u8, InProgress);
        json.WriteNumber("completed"u8, Completed);
        json.WriteNumber("failed"u8, Failed);
        json.WriteNumber("cancelled"u8, Cancelled);
        json.WriteNumber("total"u8, Total);
        json.WriteEndObject();
    }
}
