using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Streaming;

namespace HelixFlow.Gateway.Batches;

/// <summary>Writes the lines of output and error files.</summary>
internal static class BatchResult
{
    /// <summary>The line of a request that was answered.</summary>
    public static byte[] Answered(Batch batch, BatchLine line, BatchAnswer answer) => Line(batch.Id, line.Line, line.CustomId, answer, static (json, answer) =>
    {
        json.WriteStartObject("response"u8);
        json.WriteNumber("status_code"u8, answer.Status);
        json.WriteString("request_id"u8, answer.RequestId);
        json.WritePropertyName("body"u8);
        json.WriteRawValue(answer.Body.Span, skipInputValidation: true);
        json.WriteEndObject();
        json.WriteNull("error"u8);
    });

    /// <summary>The line of a request that was not run before its batch ended.</summary>
    public static byte[] NotRun(Batch batch, int line, string customId, BatchStatus ended) => Line(batch.Id, line, customId, ended == BatchStatus.Cancelled, static (json, cancelled) =>
    {
        json.WriteNull("response"u8);
        json.WriteStartObject("error"u8);
        json.WriteString("code"u8, cancelled ? "batch_cancelled"u8 : "batch_expired"u8);
        json.WriteString("message"u8, cancelled
            ? "This request was not executed because the batch was cancelled."u8
            : "This request could not be executed before the completion window expired."u8);
        json.WriteEndObject();
    });

    private static byte[] Line<T>(string batchId, int line, string customId, T state, Action<Utf8JsonWriter, T> write)
    {
        var bytes = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(bytes, JsonResponse.Options))
        {
            json.WriteStartObject();
            json.WriteString("id"u8, IdOf(batchId, line));
            json.WriteString("custom_id"u8, customId);
            write(json, state);
            json.WriteEndObject();
        }

        bytes.Write("\n"u8);
        return bytes.WrittenSpan.ToArray();
    }

    // The same for the same line however often it is written, so that files that are made again after a crash are the same.
    private static string IdOf(string batchId, int line) =>
        "batch_req_" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{batchId}:{line}")))[..12]);
}
