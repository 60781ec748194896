using System.Buffers;
using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Files;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Batches;

/// <summary>Reads a batch's input file once, and begins or fails the batch. Thread-safe.</summary>
internal sealed class BatchValidation(BatchStore store, FileStore files, IInferencePool pool, BatchOptions options, GatewayOptions gateway)
{
    /// <summary>The batch as it is afterwards; null when its state has changed meanwhile.</summary>
    public async Task<Batch?> RunAsync(Batch batch, CancellationToken cancellationToken)
    {
        var input = new BatchInput(batch.Endpoint, options.MaxRequests);
        await using (FileStream content = files.Blobs.Open(batch.InputHash))
        {
            await BatchLines.ReadAsync(content, (int)gateway.MaxBodyBytes, input, cancellationToken);
        }

        List<BatchError> errors = [.. input.Errors];
        if (input.Model is { } model && !await IsKnownAsync(model, cancellationToken))
        {
            errors.Add(new BatchError("model_not_found", $"The provided model '{model}' is not supported by the Batch API: no node of this server has it.", "body.model", input.ModelLine));
        }

        return errors.Count > 0
            ? await store.FailAsync(batch.Seq, Write(errors), cancellationToken)
            : await store.StartAsync(batch.Seq, input.Model!, input.Lines, cancellationToken);
    }

    // Without any node nothing is known of models; their requests wait for one.
    private async Task<bool> IsKnownAsync(string model, CancellationToken cancellationToken)
    {
        ListModelsResponse list = await pool.ListModelsAsync(new ListModelsRequest(), cancellationToken);
        return list.Models.Count == 0 || list.Models.Any(known => known.Name == model);
    }

    private static string Write(List<BatchError> errors)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes, JsonResponse.Options))
        {
            json.WriteStartObject();
            json.WriteString("object"u8, "list"u8);
            json.WriteStartArray("data"u8);
            foreach (BatchError error in errors)
            {
                json.WriteStartObject();
                json.WriteString("code"u8, error.Code);
                json.WriteString("message"u8, error.Message);
                json.WriteString("param"u8, error.Param);
                json.WritePropertyName("line"u8);
                if (error.Line is { } line)
                {
                    json.WriteNumberValue(line);
                }
                else
                {
                    json.WriteNullValue();
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }
}
