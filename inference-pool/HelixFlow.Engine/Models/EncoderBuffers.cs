using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Models;

/// <summary>The activation buffers of an <see cref="EncoderModel"/>, allocated once.</summary>
internal sealed class EncoderBuffers(IBackend backend, EncoderConfig config, int maxRows, int maxSequences) : IDisposable
{
    private const int BlockSize = 16;

    /// <summary>[rows, hidden].</summary>
    public DeviceTensor State { get; } = backend.Allocate(maxRows, config.Hidden);

    /// <summary>[rows, hidden].</summary>
    public DeviceTensor Scratch { get; } = backend.Allocate(maxRows, config.Hidden);

    /// <summary>[rows, hidden].</summary>
    public DeviceTensor Query { get; private set; } = backend.Allocate(maxRows, config.Hidden);

    /// <summary>[rows, hidden].</summary>
    public DeviceTensor Key { get; } = backend.Allocate(maxRows, config.Hidden);

    /// <summary>[rows, hidden].</summary>
    public DeviceTensor Value { get; } = backend.Allocate(maxRows, config.Hidden);

    /// <summary>[rows, hidden]: the result of attention.</summary>
    public DeviceTensor Attended { get; private set; } = backend.Allocate(maxRows, config.Hidden);

    /// <summary>[rows, feedForward].</summary>
    public DeviceTensor Inner { get; } = backend.Allocate(maxRows, config.FeedForward);

    /// <summary>[rows, feedForward], beside a gate; null without one.</summary>
    public DeviceTensor? Up { get; } = config.Gated ? backend.Allocate(maxRows, config.FeedForward) : null;

    /// <summary>[rows, labels]; null without a head.</summary>
    public DeviceTensor? Scores { get; } = config.Labels > 0 ? backend.Allocate(maxRows, config.Labels) : null;

    /// <summary>Keys and values of one layer, in the order in which attention reads them.</summary>
    public DeviceKvStore Keys { get; } = backend.AllocateKv(Layout(config, maxRows, maxSequences));

    /// <summary>Positions are stored in blocks of 16, of which each text of a batch has its own.</summary>
    public static KvLayout Layout(EncoderConfig config, int maxRows, int maxSequences) =>
        new(1, config.Heads, config.HeadSize, BlocksOf(maxRows) + maxSequences, BlockSize, KvType.F32);

    /// <summary>Blocks that a text takes.</summary>
    public static int BlocksOf(int tokens) => (tokens + BlockSize - 1) / BlockSize;

    /// <summary>Bytes of all buffers.</summary>
    public static long SizeBytes(EncoderConfig config, int maxRows, int maxSequences)
    {
        KvLayout layout = Layout(config, maxRows, maxSequences);
        long columns = (6L * config.Hidden) + ((config.Gated ? 2L : 1) * config.FeedForward) + config.Labels;
        return (sizeof(float) * maxRows * columns) + (layout.Blocks * layout.BlockBytes);
    }

    public void SetRows(int rows)
    {
        State.Rows = rows;
        Scratch.Rows = rows;
        Query.Rows = rows;
        Key.Rows = rows;
        Value.Rows = rows;
        Attended.Rows = rows;
        Inner.Rows = rows;
        if (Up is not null)
        {
            Up.Rows = rows;
        }
    }

    public void SwapAttendedAndQuery() => (Attended, Query) = (Query, Attended);

    public void Dispose()
    {
        State.Dispose();
        Scratch.Dispose();
        Query.Dispose();
        Key.Dispose();
        Value.Dispose();
        Attended.Dispose();
        Inner.Dispose();
        Up?.Dispose();
        Scores?.Dispose();
        Keys.Dispose();
    }
}
