using System.Diagnostics;
using System.Runtime.Intrinsics;
using HelixFlow.Engine.Cpu.Memory;

namespace HelixFlow.Engine.Cpu.Quantisation;

/// <summary>Activation rows as 8-bit integers: a scale per block of 32, and the sums that unsigned weights need.</summary>
/// <remarks>value = Scales[block] * Codes[i], codes -127 to 127. Grows to the largest batch it has seen; used by the engine thread and its team.</remarks>
internal sealed unsafe class QuantisedRows : IDisposable
{
    /// <summary>Elements that share a scale.</summary>
    public const int Block = 32;

    private NativeBuffer? _codes;  // [row, column] of int8
    private NativeBuffer? _scales; // [row, block] of float32
    private NativeBuffer? _sums;   // [row, half block] of int32: sums of 16 codes
    private long _capacity;

    public int Columns { get; private set; }

    public sbyte* Codes(int row) => (sbyte*)_codes!.Bytes + ((long)row * Columns);

    public float* Scales(int row) => (float*)_scales!.Bytes + ((long)row * (Columns / Block));

    public int* Sums(int row) => (int*)_sums!.Bytes + ((long)row * (Columns / 16));

    /// <summary>Makes room for rows of this length, whole blocks; what was there is lost.</summary>
    public void Prepare(int rows, int columns)
    {
        Debug.Assert(columns % Block == 0, "quantised matrices have whole blocks");
        Columns = columns;
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
        for (int block = 0; block < Columns / Block; block++, values += Block, codes += Block, sums += 2)
        {
            scales[block] = QuantiseBlock(values, codes, sums);
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

    private static float QuantiseBlock(float* values, sbyte* codes, int* sums)
    {
        Vector256<float> a = Vector256.Load(values), b = Vector256.Load(values + 8), c = Vector256.Load(values + 16), d = Vector256.Load(values + 24);
        Vector256<float> largest = Vector256.Max(Vector256.Max(Vector256.Abs(a), Vector256.Abs(b)), Vector256.Max(Vector256.Abs(c), Vector256.Abs(d)));
        float max = 0;
        for (int i = 0; i < 8; i++)
        {
            max = MathF.Max(max, largest[i]);
        }

        float scale = max / 127;
        Vector256<float> inverse = Vector256.Create(max == 0 ? 0 : 127 / max);
        Vector256<int> qa = Vector256.ConvertToInt32(Vector256.Round(a * inverse)), qb = Vector256.ConvertToInt32(Vector256.Round(b * inverse));
        Vector256<int> qc = Vector256.ConvertToInt32(Vector256.Round(c * inverse)), qd = Vector256.ConvertToInt32(Vector256.Round(d * inverse));
        sums[0] = Vector256.Sum(qa + qb);
        sums[1] = Vector256.Sum(qc + qd);
        Vector256.Narrow(Vector256.Narrow(qa, qb), Vector256.Narrow(qc, qd)).Store(codes);
        return scale;
    }
}
