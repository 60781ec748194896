using System.Buffers.Binary;
using System.IO.Pipelines;
using Grpc.Core;
using Grpc.Framing;

namespace HelixFlow.Grpc.Tests.Framing;

public sealed class BodyReaderTests
{
    private static readonly Marshaller<byte[]> Bytes = Marshallers.Create(static bytes => bytes, static bytes => bytes);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Messages_arrive_whole_however_the_stream_is_cut(int seed)
    {
        var random = new Random(seed);
        byte[][] messages = [.. Enumerable.Range(0, 300).Select(_ => Message(random))];
        var reader = new FrameReader<byte[]>(new BodyReader(new CutStream(Frames(messages), random)), Bytes, null, null);

        foreach (byte[] message in messages)
        {
            Assert.Equal(message, await reader.ReadAsync(TestContext.Current.CancellationToken));
        }

        Assert.Null(await reader.ReadAsync(TestContext.Current.CancellationToken));
        Assert.Null(await reader.ReadAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_body_that_ends_within_a_message_is_refused()
    {
        byte[] frames = Frames([[1, 2, 3], [4, 5, 6]]);
        var reader = new FrameReader<byte[]>(new BodyReader(new CutStream(frames[..^1], new Random(1))), Bytes, null, null);

        Assert.Equal([1, 2, 3], await reader.ReadAsync(TestContext.Current.CancellationToken));
        RpcException failure = await Assert.ThrowsAsync<RpcException>(async () => await reader.ReadAsync(TestContext.Current.CancellationToken));

        Assert.Equal(StatusCode.Internal, failure.StatusCode);
    }

    [Fact]
    public async Task What_was_not_examined_is_offered_again_and_what_was_waits_for_more()
    {
        var body = new BodyReader(new MemoryStream([1, 2, 3]));
        ReadResult first = await body.ReadAsync(TestContext.Current.CancellationToken);
        body.AdvanceTo(first.Buffer.GetPosition(1));

        Assert.True(body.TryRead(out ReadResult again));
        Assert.Equal([2, 3], again.Buffer.FirstSpan.ToArray());
        body.AdvanceTo(again.Buffer.Start, again.Buffer.End);
        Assert.False(body.TryRead(out _));

        ReadResult last = await body.ReadAsync(TestContext.Current.CancellationToken);
        Assert.True(last.IsCompleted);
        Assert.Equal([2, 3], last.Buffer.FirstSpan.ToArray());
    }

    [Fact]
    public async Task Completing_disposes_the_stream_and_leaves_nothing_to_read()
    {
        var stream = new MemoryStream([1, 2, 3]);
        var body = new BodyReader(stream);
        _ = await body.ReadAsync(TestContext.Current.CancellationToken);

        await body.CompleteAsync();

        Assert.False(stream.CanRead);
        Assert.True(body.TryRead(out ReadResult rest));
        Assert.True(rest.IsCompleted && rest.Buffer.IsEmpty);
    }

    private static byte[] Message(Random random)
    {
        // Most are small; some are larger than the reader's first buffer, and a few than the most that it reads ahead.
        int length = random.Next(20) switch
        {
            0 => random.Next(3 * BodyReader.MostAhead),
            < 4 => random.Next(10_000),
            _ => random.Next(100),
        };
        byte[] message = new byte[length];
        random.NextBytes(message);
        return message;
    }

    private static byte[] Frames(byte[][] messages)
    {
        var frames = new MemoryStream();
        Span<byte> header = stackalloc byte[5];
        foreach (byte[] message in messages)
        {
            BinaryPrimitives.WriteInt32BigEndian(header[1..], message.Length);
            frames.Write(header);
            frames.Write(message);
        }

        return frames.ToArray();
    }

    /// <summary>Gives its bytes in pieces of random sizes, some of them later.</summary>
    private sealed class CutStream(byte[] bytes, Random random) : MemoryStream(bytes)
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (random.Next(2) == 0)
            {
                await Task.Yield();
            }

            int most = random.Next(4) == 0 ? buffer.Length : random.Next(1, Math.Min(buffer.Length, 1500) + 1);
            return await base.ReadAsync(buffer[..most], cancellationToken);
        }
    }
}
