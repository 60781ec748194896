using System.Collections.Immutable;

namespace HelixFlow.Engine.Formats;

/// <summary>A named tensor whose bytes lie in a memory-mapped file.</summary>
/// <remarks>
/// Valid while its <see cref="TensorFile"/> is open. Immutable, so any thread may read it. <see cref="Data"/> has exactly
/// <see cref="SizeBytes"/> readable bytes: the file's parser has checked that.
/// </remarks>
public sealed unsafe class StoredTensor
{
    public StoredTensor(string name, TensorType type, ImmutableArray<long> shape, byte* data, long sizeBytes)
    {
        Name = name;
        Type = type;
        Shape = shape;
        Data = data;
        SizeBytes = sizeBytes;
    }

    public string Name { get; }

    public TensorType Type { get; }

    /// <summary>Outermost dimension first: a linear layer's matrix is [outputs, inputs]. Rows are contiguous.</summary>
    public ImmutableArray<long> Shape { get; }

    public byte* Data { get; }

    public long SizeBytes { get; }

    /// <summary>All dimensions but the last, multiplied; 1 for a vector.</summary>
    public int Rows
    {
        get
        {
            long rows = 1;
            for (int i = 0; i < Shape.Length - 1; i++)
            {
                rows = checked(rows * Shape[i]);
            }

            return checked((int)rows);
        }
    }

    /// <summary>The last dimension.</summary>
    public int Columns => Shape.Length == 0 ? 1 : checked((int)Shape[^1]);

    /// <summary>The rows from <paramref name="first"/> as a tensor of their own over the same bytes, to split fused matrices.</summary>
    public StoredTensor Slice(int first, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)first + count, Rows, nameof(count));
        long row = Type.RowBytes(Columns);
        return new StoredTensor($"{Name}[{first}..{first + count}]", Type, [count, Columns], Data + (first * row), count * row);
    }
}
