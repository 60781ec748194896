using System.Text.Json;

namespace HelixFlow.Gateway.Batches;

/// <summary>Takes a request's body out of its line, as the client wrote it but for its priority.</summary>
internal static class BatchBody
{
    private static readonly JsonReaderOptions Options = new() { MaxDepth = 128 };

    /// <summary>The value of "body", in which "priority" is this one whatever the client wrote.</summary>
    /// <param name="line">A line that <see cref="BatchInput"/> has accepted.</param>
    /// <param name="priority">For the request.</param>
    public static byte[] Of(ReadOnlySpan<byte> line, int priority)
    {
        ReadOnlySpan<byte> body = BodyOf(line);
        var written = new List<Range>(); // the priorities in the body; two would be refused as any field that comes twice
        var reader = new Utf8JsonReader(body, Options);
        reader.Read();
        bool isEmpty = true;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            isEmpty = false;
            bool isPriority = reader.ValueTextEquals("priority"u8);
            reader.Read();
            int start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (isPriority)
            {
                written.Add(start..(int)reader.BytesConsumed);
            }
        }

        byte[] value = System.Text.Encoding.ASCII.GetBytes(priority.ToString(System.Globalization.CultureInfo.InvariantCulture));
        var result = new MemoryStream(body.Length + 32);
        if (written.Count == 0)
        {
            result.Write("{\"priority\":"u8);
            result.Write(value);
            result.Write(isEmpty ? ""u8 : ","u8);
            result.Write(body[1..]);
            return result.ToArray();
        }

        int from = 0;
        foreach (Range range in written)
        {
            result.Write(body[from..range.Start.Value]);
            result.Write(value);
            from = range.End.Value;
        }

        result.Write(body[from..]);
        return result.ToArray();
    }

    private static ReadOnlySpan<byte> BodyOf(ReadOnlySpan<byte> line)
    {
        var reader = new Utf8JsonReader(line, Options);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isBody = reader.ValueTextEquals("body"u8);
            reader.Read();
            int start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (isBody)
            {
                return line[start..(int)reader.BytesConsumed];
            }
        }

        throw new InvalidDataException("The line of a batch's input file has no body any more.");
    }
}
