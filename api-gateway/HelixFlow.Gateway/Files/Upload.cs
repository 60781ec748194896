using System.Data.Common;
using System.Text.Json;

namespace HelixFlow.Gateway.Files;

/// <summary>A file that arrives in parts.</summary>
/// <param name="Seq">Its key.</param>
/// <param name="Id">"upload_…".</param>
/// <param name="Purpose">Of the file that it becomes.</param>
/// <param name="Filename">Of the file that it becomes.</param>
/// <param name="Bytes">How long the file will be.</param>
/// <param name="CreatedAt">Seconds since 1970.</param>
/// <param name="ExpiresAt">When it must be complete.</param>
/// <param name="FileLifetime">Seconds that the file will stay; null for the purpose's default.</param>
/// <param name="Status">"pending", "completed", "cancelled" or "expired".</param>
/// <param name="FileId">The file, once it is complete.</param>
internal sealed record Upload(
    long Seq, string Id, string Purpose, string Filename, long Bytes, long CreatedAt, long ExpiresAt, long? FileLifetime, string Status, string? FileId)
{
    public const string Columns = "seq, id, purpose, filename, bytes, created_at, expires_at, file_lifetime, status, file_id";

    /// <summary>The status at a time: an upload expires by itself.</summary>
    public string StatusAt(long now) => Status == "pending" && now >= ExpiresAt ? "expired" : Status;

    public static Upload Read(DbDataReader row) => new(
        row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetInt64(4), row.GetInt64(5), row.GetInt64(6),
        row.IsDBNull(7) ? null : row.GetInt64(7), row.GetString(8), row.IsDBNull(9) ? null : row.GetString(9));

    /// <param name="json">Where to.</param>
    /// <param name="file">The file, once it is complete and while it is there.</param>
    /// <param name="now">Seconds since 1970.</param>
    public void Write(Utf8JsonWriter json, StoredFile? file, long now)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, Id);
        json.WriteString("object"u8, "upload"u8);
        json.WriteNumber("bytes"u8, Bytes);
        json.WriteNumber("created_at"u8, CreatedAt);
        json.WriteString("filename"u8, Filename);
        json.WriteString("purpose"u8, Purpose);
        json.WriteString("status"u8, StatusAt(now));
        json.WriteNumber("expires_at"u8, ExpiresAt);
        json.WritePropertyName("file"u8);
        if (file is null)
        {
            json.WriteNullValue();
        }
        else
        {
            StoredFile.Write(json, file);
        }

        json.WriteEndObject();
    }
}

/// <summary>A part of an upload.</summary>
internal sealed record UploadPart(string Id, long CreatedAt, long Bytes, string Hash)
{
    public const string Columns = "id, created_at, bytes, hash";

    public static UploadPart Read(DbDataReader row) => new(row.GetString(0), row.GetInt64(1), row.GetInt64(2), row.GetString(3));
}
