using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Text.Json;
using Google.Protobuf.Collections;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Embeddings;

/// <summary><c>POST /v1/embeddings</c>: one vector per input.</summary>
internal sealed class EmbeddingEndpoint(EmbeddingBatches batches, GatewayOptions options)
{
    private const int FlushAbove = 64 << 10;

    public async Task HandleAsync(HttpContext context)
    {
        EmbeddingRequest request;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            request = EmbeddingRequest.Parse(body.RootElement);
        }

        await WriteAsync(context, request, await batches.RunAsync(context, request.Template, request.Inputs, request.NameOf));
    }

    // Thousands of vectors as text are large: they go out as they are written.
    private static async Task WriteAsync(HttpContext context, EmbeddingRequest request, EmbeddedInputs answer)
    {
        context.Response.ContentType = "application/json";
        PipeWriter output = context.Response.BodyWriter;
        await using var json = new Utf8JsonWriter(output, JsonResponse.Options);
        json.WriteStartObject();
        json.WriteString("object"u8, "list"u8);
        json.WriteStartArray("data"u8);
        for (int i = 0; i < answer.Vectors.Count; i++)
        {
            json.WriteStartObject();
            json.WriteString("object"u8, "embedding"u8);
            json.WriteNumber("index"u8, i);
            json.WritePropertyName("embedding"u8);
            WriteVector(json, answer.Vectors[i].Values, request.Base64);
            json.WriteEndObject();
            if (json.BytesPending + output.UnflushedBytes > FlushAbove)
            {
                await json.FlushAsync(context.RequestAborted);
                await output.FlushAsync(context.RequestAborted);
            }
        }

        json.WriteEndArray();
        json.WriteString("model"u8, request.Template.Model);
        UsageJson.WritePromptOnly(json, answer.Tokens);
        json.WriteEndObject();
        await json.FlushAsync(context.RequestAborted);
        await output.FlushAsync(context.RequestAborted);
    }

    private static void WriteVector(Utf8JsonWriter json, RepeatedField<float> vector, bool base64)
    {
        if (!base64)
        {
            json.WriteStartArray();
            foreach (float value in vector)
            {
                json.WriteNumberValue(value);
            }

            json.WriteEndArray();
            return;
        }

        byte[] bytes = new byte[vector.Count * sizeof(float)];
        for (int i = 0; i < vector.Count; i++)
        {
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), vector[i]);
        }

        json.WriteBase64StringValue(bytes);
    }
}
