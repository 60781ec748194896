using System.Data.Common;
using System.Text.Json;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>A file of a vector store.</summary>
/// <param name="Seq">Its place in the order in which files were added.</param>
/// <param name="Store">The store's place.</param>
/// <param name="StoreId">"vs_…".</param>
/// <param name="FileId">"file-…".</param>
/// <param name="Filename">As the client named it.</param>
/// <param name="Hash">Of its blob.</param>
/// <param name="CreatedAt">Seconds since 1970: when it was added.</param>
/// <param name="Status">"in_progress", "completed", "failed" or "cancelled".</param>
/// <param name="ErrorCode">"server_error", "unsupported_file" or "invalid_file"; null for none.</param>
/// <param name="ErrorMessage">For the client.</param>
/// <param name="Attributes">JSON; null for none.</param>
/// <param name="Chunking">How it is cut.</param>
/// <param name="UsageBytes">Of its chunks' texts and vectors.</param>
/// <param name="IsCut">Whether all its chunks are stored, with or without their vectors.</param>
internal sealed record StoreFile(
    long Seq, long Store, string StoreId, string FileId, string Filename, string Hash, long CreatedAt, string Status, string? ErrorCode, string? ErrorMessage, string? Attributes,
    ChunkingStrategy Chunking, long UsageBytes, bool IsCut)
{
    public const string Columns =
        """
        seq, store, (select id from vector_stores s where s.seq = vector_files.store), file_id, filename, hash, created_at, status, error_code, error_message, attributes,
        chunk_tokens, overlap_tokens, usage_bytes, is_cut
        """;

    public static StoreFile Read(DbDataReader row) => new(
        row.GetInt64(0), row.GetInt64(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.GetInt64(6), row.GetString(7),
        row.IsDBNull(8) ? null : row.GetString(8), row.IsDBNull(9) ? null : row.GetString(9), row.IsDBNull(10) ? null : row.GetString(10),
        new ChunkingStrategy(row.GetInt32(11), row.GetInt32(12)), row.GetInt64(13), row.GetInt64(14) != 0);

    public static void Write(Utf8JsonWriter json, StoreFile file)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, file.FileId);
        json.WriteString("object"u8, "vector_store.file"u8);
        json.WriteNumber("usage_bytes"u8, file.UsageBytes);
        json.WriteNumber("created_at"u8, file.CreatedAt);
        json.WriteString("vector_store_id"u8, file.StoreId);
        json.WriteString("status"u8, file.Status);
        if (file.ErrorCode is { } code)
        {
            json.WriteStartObject("last_error"u8);
            json.WriteString("code"u8, code);
            json.WriteString("message"u8, file.ErrorMessage);
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("last_error"u8);
        }

        file.Chunking.Write(json);
        json.WritePropertyName("attributes"u8);
        json.WriteRawValue(file.Attributes ?? "{}", skipInputValidation: true);
        json.WriteEndObject();
    }
}

/// <summary>Files that were added to a store together.</summary>
/// <param name="Seq">Its place in the order of creation.</param>
/// <param name="Id">"vsfb_…".</param>
/// <param name="StoreId">"vs_…".</param>
/// <param name="CreatedAt">Seconds since 1970.</param>
/// <param name="IsCancelled">Whether a client has ended it.</param>
/// <param name="Files">Its files by their states.</param>
internal sealed record FileBatch(long Seq, string Id, string StoreId, long CreatedAt, bool IsCancelled, FileCounts Files)
{
    public const string Columns =
        """
        seq, id, (select id from vector_stores s where s.seq = vector_batches.store), created_at, cancelled,
        (select count(*) from vector_files f where f.batch = vector_batches.seq and status = 'in_progress'),
        (select count(*) from vector_files f where f.batch = vector_batches.seq and status = 'completed'),
        (select count(*) from vector_files f where f.batch = vector_batches.seq and status = 'failed'),
        (select count(*) from vector_files f where f.batch = vector_batches.seq and status = 'cancelled')
        """;

    public string Status => IsCancelled ? "cancelled"
        : Files.InProgress > 0 ? "in_progress"
        : Files.Total > 0 && Files.Failed == Files.Total ? "failed"
        : "completed";

    public static FileBatch Read(DbDataReader row) => new(row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetInt64(3), row.GetInt64(4) != 0, FileCounts.Read(row, 5));

    public static void Write(Utf8JsonWriter json, FileBatch batch)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, batch.Id);
        json.WriteString("object"u8, "vector_store.files_batch"u8); // the contract's value; its prose has another one
        json.WriteNumber("created_at"u8, batch.CreatedAt);
        json.WriteString("vector_store_id"u8, batch.StoreId);
        json.WriteString("status"u8, batch.Status);
        batch.Files.Write(json);
        json.WriteEndObject();
    }
}
