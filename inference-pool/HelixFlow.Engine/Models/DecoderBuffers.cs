using System.Numerics;
using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Models;

/// <summary>The activation buffers of a <see cref="DecoderModel"/>, allocated once.</summary>
internal sealed class DecoderBuffers(IBackend backend, ModelConfig config, int maxRows) : IDisposable
{
    private DeviceTensor? _logits;

    /// <summary>[rows, hidden]: the residual stream.</summary>
    public DeviceTensor State { get; } = backend.Allocate(maxRows, config.Hidden);

    /// <summary>[rows, hidden]: its norm, or a branch before it is added.</summary>
    public DeviceTensor Scratch { get; } = backend.Allocate(maxRows, config.Hidden);

    /// <summary>[rows, heads * headSize].</summary>
    public DeviceTensor Query { get; private set; } = backend.Allocate(maxRows, config.Heads * config.HeadSize);

    /// <summary>[rows, kvHeads * headSize].</summary>
    public DeviceTensor Key { get; } = backend.Allocate(maxRows, config.KvHeads * config.HeadSize);

    /// <summary>[rows, kvHeads * headSize].</summary>
    public DeviceTensor Value { get; } = backend.Allocate(maxRows, config.KvHeads * config.HeadSize);

    /// <summary>[rows, heads * headSize]: the result of attention.</summary>
    public DeviceTensor Attended { get; private set; } = backend.Allocate(maxRows, config.Heads * config.HeadSize);

    /// <summary>[rows, feedForward].</summary>
    public DeviceTensor Gate { get; } = backend.Allocate(maxRows, config.FeedForward);

    /// <summary>[rows, feedForward].</summary>
    public DeviceTensor Up { get; } = backend.Allocate(maxRows, config.FeedForward);

    /// <summary>Bytes of the buffers when <paramref name="logitRows"/> rows of logits are wanted.</summary>
    public static long SizeBytes(ModelConfig config, int maxRows, int logitRows)
    {
        long columns = (2L * config.Hidden) + (2L * (config.Heads + config.KvHeads) * config.HeadSize) + (2L * config.FeedForward);
        return sizeof(float) * ((maxRows * columns) + ((long)LogitCapacity(logitRows, maxRows) * config.Vocabulary));
    }

    /// <summary>
    /// [rows, vocabulary]. Grows to the largest number of rows asked for: one row of a large vocabulary has half a megabyte, and most batches
    /// want few of their rows.
    /// </summary>
    public DeviceTensor Logits(int rows)
    {
        if (_logits is null || _logits.MaxRows < rows)
        {
            _logits?.Dispose();
            _logits = backend.Allocate(LogitCapacity(rows, maxRows), config.Vocabulary);
        }

        _logits.Rows = rows;
        return _logits;
    }

    public void SetRows(int rows)
    {
        State.Rows = rows;
        Scratch.Rows = rows;
        Query.Rows = rows;
        Key.Rows = rows;
        Value.Rows = rows;
        Attended.Rows = rows;
        Gate.Rows = rows;
        Up.Rows = rows;
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
        Gate.Dispose();
        Up.Dispose();
        _logits?.Dispose();
    }

    private static int LogitCapacity(int rows, int maxRows) => Math.Min((int)BitOperations.RoundUpToPowerOf2((uint)rows), maxRows);

}
