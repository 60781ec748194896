using System.Diagnostics;
using HelixFlow.Engine.Cpu.Memory;

namespace HelixFlow.Engine.Cpu.Quantisation;

/// <summary>Activation rows as 8-bit integers: a scale per block of 32, and the sums that unsigned weights need.</summary>
/// <remarks>
/// value = Scales[block] * Codes[i], codes -127 to 127. Rounded exactly as llama.cpp does it for weights of the same type, so that both give the
/// same logits to the last bits but for the order of sums: with a scale in half precision, or, for the K types, one in single precision that
/// eight blocks share. Grows to the largest batch it has seen; used by the engine thread and its team.
/// </remarks>
internal sealed unsafe class QuantisedRows : IDisposable
{
    /// <summary>Elements that share a scale.</summary>
    public const int Block = 32;

    private NativeBuffer? _codes;  // [row, column] of int8
    private NativeBuffer? _scales; // [row, block] of float32
    private NativeBuffer? _sums;   // [row, half block] of int32: sums of 16 codes
    private long _capacity;

    /// <summary>Bytes that it has allocated.</summary>
    public long SizeBytes => (_codes?.SizeBytes ?? 0) + (_scales?.SizeBytes ?? 0) + (_sums?.SizeBytes ?? 0);

    public int Columns { get; private set; }

    /// <summary>Elements that get the same scale: 32, or 256 for the K types.</summary>
    public int Shared { get; private set; } = Block;

    public sbyte* Codes(int row) => (sbyte*)_codes!.Bytes + ((long)row * Columns);

    public float* Scales(int row) => (float*)_scales!.Bytes + ((long)row * (Columns / Block));

    public int* Sums(int row) => (int*)_sums!.Bytes + ((long)row * (Columns / 16));

    /// <summary>Bytes of so many rows.</summary>
    public static long BytesOf(int rows, int columns)
    {
        long elements = (long)rows * columns;
        return elements + (elements / Block * sizeof(float)) + (elements / 16 * sizeof(int));
    }

    /// <summary>Makes room for rows of this length, whole blocks; what was there is lost.</summary>
    public void Prepare(int rows, int columns, int shared)
    {
        Debug.Assert(shared % Block == 0 && columns % shared == 0, "quantised matrices have whole blocks");
        Columns = columns;
        Shared = shared;
        long needed = (long)rows * columns;
        if (needed <= _capacity)
        {
            return;
        }

        Dispose();
        _capacity = needed;
        _codes = new NativeBuffer(needed);
        _scales = new NativeBuffer(needed / Block * sizeof(float));
        _sums = new NativeBuffer(needed / 16 * sizeof(int));
    }

    /// <summary>Quantises one row; different rows may be done by different threads.</summary>
    public void Quantise(int row, float* values)
    {
        sbyte* codes = Codes(row);
        float* scales = Scales(row);
        int* sums = Sums(row);
        for (int first = 0; first < Columns; first += Shared)
        {
            float max = RowRounding.LargestMagnitude(values + first, Shared);
            float scale = Shared == Block ? (float)(Half)(max / 127) : max / 127;
            float inverse = max == 0 ? 0 : 127 / max;
            for (int column = first; column < first + Shared; column += Block)
            {
                scales[column / Block] = scale;
                RowRounding.Round(values + column, inverse, codes + column, sums + (column / 16));
            }
        }
    }

    public void Dispose()
    {
        _codes?.Dispose();
        _scales?.Dispose();
        _sums?.Dispose();
        _codes = _scales = _sums = null;
        _capacity = 0;
    }
}
