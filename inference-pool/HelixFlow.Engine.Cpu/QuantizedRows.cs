using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Cpu;

/// <summary>Activations rounded to 8-bit integers, with a scale for each block and the scaled sum of each block's integers.</summary>
internal sealed unsafe class QuantizedRows : IDisposable
{
    private CpuMemory _memory = new(0);
    private int _columns;
    private int _block;

    /// <summary>Makes room.</summary>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Their elements.</param>
    /// <param name="block">Elements with a sum of their own.</param>
    public void Reserve(int rows, int columns, int block)
    {
        _columns = columns;
        _block = block;
        long bytes = (long)rows * RowBytes;
        if (_memory.SizeBytes < bytes)
        {
            _memory.Dispose();
            _memory = new CpuMemory(bytes);
        }
    }

    // [columns] integers, then [blocks, {scale, scaled sum}].
    private long RowBytes => _columns + (2L * sizeof(float) * (_columns / _block));

    public sbyte* Quants(int row) => (sbyte*)(_memory.Pointer + (row * RowBytes));

    public float* Factors(int row) => (float*)(_memory.Pointer + (row * RowBytes) + _columns);

    /// <summary>
    /// Rounds one row to nearest, as llama.cpp does it for the same weights: blocks of 32 keep their scale in half precision, those of 256 in
    /// single.
    /// </summary>
    public void Quantize(float* source, int row, int scaleBlock)
    {
        sbyte* quants = Quants(row);
        float* factors = Factors(row);
        for (int start = 0; start < _columns; start += scaleBlock)
        {
            Vector256<float> max = Vector256<float>.Zero;
            for (int i = 0; i < scaleBlock; i += 8)
            {
                max = Vector256.Max(max, Vector256.Abs(Vector256.Load(source + start + i)));
            }

            float largest = 0;
            for (int i = 0; i < 8; i++)
            {
                largest = Math.Max(largest, max[i]);
            }

            float inverse = largest == 0 ? 0 : 127 / largest;
            float scale = scaleBlock == 32 ? (float)(Half)(largest / 127) : largest / 127;
            for (int block = start; block < start + scaleBlock; block += _block)
            {
                int sum = 0;
                for (int i = block; i < block + _block; i += 8)
                {
                    Vector256<int> rounded = Vector256.ConvertToInt32(Vector256.Round(Vector256.Load(source + i) * inverse));
                    sum += Vector256.Sum(rounded);
                    Vector128<short> words = Vector128.Narrow(rounded.GetLower(), rounded.GetUpper());
                    *(ulong*)(quants + i) = Vector128.Narrow(words, words).AsUInt64().ToScalar();
                }

                factors[2 * (block / _block)] = scale;
                factors[(2 * (block / _block)) + 1] = scale * sum;
            }
        }
    }

    public void Dispose() => _memory.Dispose();
}
