using System.Data.Common;
using System.Text.Json;

namespace HelixFlow.Gateway.Batches;

/// <summary>A batch as the database has it.</summary>
internal sealed record Batch
{
    public const string Columns =
        """
        seq, id, project, endpoint, model, input_file_id, input_hash, completion_window, status, errors, output_file_id, error_file_id, output_lifetime, metadata,
        created_at, in_progress_at, expires_at, finalizing_at, completed_at, failed_at, expired_at, cancelling_at, cancelled_at,
        total, completed, failed, input_tokens, cached_tokens, output_tokens, reasoning_tokens
        """;

    private static readonly string[] Times =
        ["created_at", "in_progress_at", "expires_at", "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at"];

    private long?[] _times = [];

    public required long Seq { get; init; }

    public required string Id { get; init; }

    public required string Project { get; init; }

    /// <summary>The path of every request, for example "/v1/chat/completions".</summary>
    public required string Endpoint { get; init; }

    /// <summary>Of every request; known once the input has been validated.</summary>
    public string? Model { get; init; }

    public required string InputFileId { get; init; }

    /// <summary>The input's blob, which stays until the batch has ended even when the file is deleted.</summary>
    public required string InputHash { get; init; }

    public required string CompletionWindow { get; init; }

    public required BatchStatus Status { get; init; }

    /// <summary>JSON, as the API sends it; null for none.</summary>
    public string? Errors { get; init; }

    public string? OutputFileId { get; init; }

    public string? ErrorFileId { get; init; }

    /// <summary>Seconds that the output and error files stay; null for always.</summary>
    public long? OutputLifetime { get; init; }

    /// <summary>JSON, as the client sent it; null for none.</summary>
    public string? Metadata { get; init; }

    public long ExpiresAt => _times[2]!.Value;

    public long Total { get; init; }

    public long Completed { get; init; }

    public long Failed { get; init; }

    public BatchUsage Usage { get; init; }

    public static Batch Read(DbDataReader row) => new()
    {
        Seq = row.GetInt64(0),
        Id = row.GetString(1),
        Project = row.GetString(2),
        Endpoint = row.GetString(3),
        Model = Text(row, 4),
        InputFileId = row.GetString(5),
        InputHash = row.GetString(6),
        CompletionWindow = row.GetString(7),
        Status = BatchLife.Parse(row.GetString(8)),
        Errors = Text(row, 9),
        OutputFileId = Text(row, 10),
        ErrorFileId = Text(row, 11),
        OutputLifetime = row.IsDBNull(12) ? null : row.GetInt64(12),
        Metadata = Text(row, 13),
        _times = [.. Enumerable.Range(14, Times.Length).Select(column => row.IsDBNull(column) ? (long?)null : row.GetInt64(column))],
        Total = row.GetInt64(23),
        Completed = row.GetInt64(24),
        Failed = row.GetInt64(25),
        Usage = new BatchUsage(row.GetInt64(26), row.GetInt64(27), row.GetInt64(28), row.GetInt64(29)),
    };

    public static void Write(Utf8JsonWriter json, Batch batch)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, batch.Id);
        json.WriteString("object"u8, "batch"u8);
        json.WriteString("endpoint"u8, batch.Endpoint);
        json.WriteString("model"u8, batch.Model);
        WriteRaw(json, "errors", batch.Errors);
        json.WriteString("input_file_id"u8, batch.InputFileId);
        json.WriteString("completion_window"u8, batch.CompletionWindow);
        json.WriteString("status"u8, BatchLife.NameOf(batch.Status));
        json.WriteString("output_file_id"u8, batch.OutputFileId);
        json.WriteString("error_file_id"u8, batch.ErrorFileId);
        for (int i = 0; i < Times.Length; i++)
        {
            json.WritePropertyName(Times[i]);
            if (batch._times[i] is { } time)
            {
                json.WriteNumberValue(time);
            }
            else
            {
                json.WriteNullValue();
            }
        }

        json.WriteStartObject("request_counts"u8);
        json.WriteNumber("total"u8, batch.Total);
        json.WriteNumber("completed"u8, batch.Completed);
        json.WriteNumber("failed"u8, batch.Failed);
        json.WriteEndObject();
        batch.Usage.Write(json);
        WriteRaw(json, "metadata", batch.Metadata);
        json.WriteEndObject();
    }

    private static void WriteRaw(Utf8JsonWriter json, string name, string? value)
    {
        json.WritePropertyName(name);
        if (value is null)
        {
            json.WriteNullValue();
        }
        else
        {
            json.WriteRawValue(value);
        }
    }

    private static string? Text(DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);
}
