using System.Buffers;
using System.IO.Pipelines;

namespace HelixFlow.Gateway.Batches;

/// <summary>Reads a file line by line, holding one line at a time.</summary>
internal static class BatchLines
{
    /// <summary>Hands each line to a <see cref="BatchInput"/> until it wants no more.</summary>
    /// <param name="content">The file, from its beginning.</param>
    /// <param name="longest">Most bytes of a line.</param>
    /// <param name="input">Checks the lines.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public static async Task ReadAsync(Stream content, int longest, BatchInput input, CancellationToken cancellationToken)
    {
        var reader = PipeReader.Create(content, new StreamPipeReaderOptions(bufferSize: 128 << 10, leaveOpen: true));
        long position = 0;
        int number = 0;
        bool isSkipping = false;
        bool goesOn = true;
        while (goesOn)
        {
            ReadResult result = await reader.ReadAsync(cancellationToken);
            ReadOnlySequence<byte> buffer = result.Buffer;
            while (goesOn && buffer.PositionOf((byte)'\n') is { } end)
            {
                ReadOnlySequence<byte> line = buffer.Slice(0, end);
                Take(line);
                buffer = buffer.Slice(buffer.GetPosition(1, end));
                position += line.Length + 1;
                isSkipping = false;
            }

            if (goesOn && (result.IsCompleted || buffer.Length > longest))
            {
                // The file's last line, or the beginning of one that is too long: what follows of it is passed over.
                if (buffer.Length > 0)
                {
                    Take(buffer);
                    position += buffer.Length;
                    isSkipping = true;
                }

                buffer = buffer.Slice(buffer.End);
            }

            reader.AdvanceTo(buffer.Start, buffer.End);
            goesOn &= !result.IsCompleted;
        }

        await reader.CompleteAsync();
        input.Complete();

        void Take(ReadOnlySequence<byte> line)
        {
            if (isSkipping)
            {
                return;
            }

            number++;
            goesOn = line.Length > longest
                ? input.AddTooLong(number, longest)
                : input.Add(number, line.IsSingleSegment ? line.First : line.ToArray(), position);
        }
    }
}
