using System.Data.Common;
using System.Text.Json;

namespace HelixFlow.Gateway.Files;

/// <summary>A file as clients see it, and where its bytes are.</summary>
/// <param name="Seq">Its place in the order of creation.</param>
/// <param name="Id">"file-…".</param>
/// <param name="Project">Whose it is.</param>
/// <param name="Purpose">One of <see cref="FilePurpose"/>.</param>
/// <param name="Filename">As the client named it.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="CreatedAt">Seconds since 1970.</param>
/// <param name="ExpiresAt">Seconds since 1970; null for never.</param>
/// <param name="Hash">Of its blob.</param>
internal sealed record StoredFile(long Seq, string Id, string Project, string Purpose, string Filename, long Bytes, long CreatedAt, long? ExpiresAt, string Hash)
{
    public const string Columns = "seq, id, project, purpose, filename, bytes, created_at, expires_at, hash";

    public static StoredFile Read(DbDataReader row) => new(
        row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetInt64(5), row.GetInt64(6), row.IsDBNull(7) ? null : row.GetInt64(7), row.GetString(8));

    public static void Write(Utf8JsonWriter json, StoredFile file)
    {
        json.WriteStartObject();
        json.WriteString("object"u8, "file"u8);
        json.WriteString("id"u8, file.Id);
        json.WriteString("purpose"u8, file.Purpose);
        json.WriteString("filename"u8, file.Filename);
        json.WriteNumber("bytes"u8, file.Bytes);
        json.WriteNumber("created_at"u8, file.CreatedAt);
        json.WritePropertyName("expires_at"u8);
        if (file.ExpiresAt is { } expires)
        {
            json.WriteNumberValue(expires);
        }
        else
        {
            json.WriteNullValue();
        }

        json.WriteString("status"u8, "processed"u8);
        json.WriteNull("status_details"u8);
        json.WriteEndObject();
    }
}
