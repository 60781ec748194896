using System.Text;
using HelixFlow.Cli.Bench.Load;

namespace HelixFlow.Cli.Tests.Bench.Load;

public sealed class CompletionStreamTests
{
    private const string First = """data: {"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}""" + "\n\n";
    private const string Hello = """data: {"choices":[{"delta":{"content":"Hello"},"finish_reason":null}]}""" + "\n\n";
    private const string Stop = """data: {"choices":[{"delta":{},"finish_reason":"stop"}]}""" + "\n\n";
    private const string Usage = """data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4}}}""" + "\n\n";
    private const string Done = "data: [DONE]\n\n";

    [Fact]
    public async Task A_stream_with_usage_is_counted_by_the_server()
    {
        RequestTrace trace = await ReadAsync(First + Hello + Hello + Hello + Stop + Usage + Done);

        Assert.True(trace.IsCompleted, trace.ErrorMessage);
        Assert.Equal(3, trace.Chunks.Count);
        Assert.Equal((9, 3, 4), (trace.PromptTokens, trace.UsageOutputTokens, trace.CachedTokens));
    }

    [Fact]
    public async Task Without_usage_the_pieces_are_counted()
    {
        RequestTrace trace = await ReadAsync(First + Hello + Hello + Stop + Done);

        Assert.True(trace.IsCompleted);
        Assert.Null(trace.UsageOutputTokens);
        Assert.Equal(2, trace.OutputTokens);
    }

    [Theory]
    [InlineData(": keep-alive\n\n" + Hello + ": ping\n\n" + Stop + Done, 1)]
    [InlineData("event: message\nid: 7\nretry: 10\n" + Hello + Stop, 1)]
    [InlineData("data:\n\n" + Hello + Done, 1)]
    [InlineData(Hello + Stop, 1)]
    [InlineData("data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":null}]}\n\ndata: {\"choices\":[{\"text\":\"b\",\"finish_reason\":\"length\"}],\"usage\":null}\n\n", 2)]
    [InlineData("data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{}]},\"finish_reason\":\"tool_calls\"}]}\n\n", 2)]
    [InlineData("data: {\"choices\":null,\"error\":null,\"usage\":{}}\n\n" + Done, 0)]
    public async Task Odd_but_complete_streams_are_read(string stream, int pieces)
    {
        RequestTrace trace = await ReadAsync(stream);

        Assert.True(trace.IsCompleted, trace.ErrorMessage);
        Assert.Equal(pieces, trace.Chunks.Count);
    }

    [Theory]
    [InlineData(Hello + "data: {\"error\":{\"message\":\"out of memory\"}}\n\n" + Done, "stream error", "out of memory")]
    [InlineData(Hello + "event: error\ndata: {\"message\":\"broken\"}\n\n", "stream error", "broken")]
    [InlineData(Hello + "data: {\"error\":\"plain\"}\n\n", "stream error", "plain")]
    [InlineData(Hello, "truncated", "finish")]
    [InlineData("", "truncated", "finish")]
    [InlineData(Hello + "data: {\"choices\":[\n\n" + Done, "malformed", "")]
    [InlineData("data: 17\n\n" + Done, "malformed", "Number")]
    [InlineData("data: {\"error\":{\"message\":\"\\ud800\"}}\n\n", "malformed", "")]
    public async Task What_is_wrong_with_a_stream_is_told(string stream, string kind, string message)
    {
        RequestTrace trace = await ReadAsync(stream);

        Assert.Equal(kind, trace.Error);
        Assert.Contains(message, trace.ErrorMessage, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_packets_that_a_stream_comes_in_do_not_matter()
    {
        var random = new Random(4);
        byte[] stream = Encoding.UTF8.GetBytes(First + ": ü\n\n" + Hello.Replace("Hello", "Grüße 你好", StringComparison.Ordinal) + Hello.Replace("\n\n", "\r\n\r\n", StringComparison.Ordinal) + Stop + Usage + Done);
        for (int round = 0; round < 200; round++)
        {
            RequestTrace trace = await ReadAsync(new SplitStream(stream, random));

            Assert.True(trace.IsCompleted, trace.ErrorMessage);
            Assert.Equal((2, 9, 3), (trace.Chunks.Count, trace.PromptTokens, trace.UsageOutputTokens));
        }
    }

    [Fact]
    public async Task Damaged_streams_end_as_an_error_or_an_answer()
    {
        var random = new Random(9);
        byte[] whole = Encoding.UTF8.GetBytes(First + Hello + Stop + Usage + Done);
        for (int round = 0; round < 3000; round++)
        {
            byte[] damaged = [.. whole.Take(random.Next(whole.Length + 1))];
            for (int i = random.Next(4); i > 0 && damaged.Length > 0; i--)
            {
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            }

            RequestTrace trace = await ReadAsync(new SplitStream(damaged, random));

            Assert.True(trace.IsCompleted || trace.ErrorMessage is not null);
        }
    }

    [Fact]
    public async Task A_connection_that_breaks_is_an_error()
    {
        RequestTrace trace = await ReadAsync(new SplitStream(Encoding.UTF8.GetBytes(Hello), new Random(1), breaks: true));

        Assert.Equal("connection lost", trace.Error);
    }

    private static Task<RequestTrace> ReadAsync(string stream) => ReadAsync(new MemoryStream(Encoding.UTF8.GetBytes(stream)));

    private static async Task<RequestTrace> ReadAsync(Stream stream)
    {
        var trace = new RequestTrace(new PlannedRequest(0, TimeSpan.Zero, 0, [1], 0, 1));
        await CompletionStream.ReadAsync(stream, trace, new LoadClock(TimeProvider.System), CancellationToken.None);
        return trace;
    }

    /// <summary>Gives its bytes in pieces of random size, and may end in an error.</summary>
    private sealed class SplitStream(byte[] bytes, Random random, bool breaks = false) : Stream
    {
        private int _position;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            int size = Math.Min(Math.Min(count, bytes.Length - _position), random.Next(1, 12));
            if (size == 0 && breaks)
            {
                throw new IOException("reset by peer");
            }

            Array.Copy(bytes, _position, buffer, offset, size);
            _position += size;
            return size;
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            byte[] piece = new byte[buffer.Length];
            int size = Read(piece, 0, piece.Length);
            piece.AsMemory(0, size).CopyTo(buffer);
            return ValueTask.FromResult(size);
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
