using System.Buffers.Binary;
using System.Runtime.InteropServices;
using HelixFlow.Engine.Formats;

namespace HelixFlow.TestKit.Models;

/// <summary>Random weights as a file holds them: a SplitMix64 stream of its own for each tensor, so that their order does not matter.</summary>
internal struct RandomWeights(ulong seed)
{
    // Even, so that a chunk ends at whole blocks of any type.
    private const int ChunkElements = 1 << 16;

    // The standard deviation of a sum of four uniform 16-bit integers: 65536 * sqrt(4 / 12).
    private const float SumDeviation = 37837.23f;

    private ulong _state = seed;

    /// <summary>A stream that depends on the model's seed and the tensor's name.</summary>
    public static RandomWeights For(ulong seed, string tensor)
    {
        // FNV-1a.
        ulong hash = 14695981039346656037 ^ seed;
        foreach (char c in tensor)
        {
            hash = (hash ^ c) * 1099511628211;
        }

        return new RandomWeights(hash);
    }

    /// <summary>Writes the elements of a matrix with the given standard deviation.</summary>
    public void WriteMatrix(Stream stream, TensorType type, long count, float deviation)
    {
        var elements = new float[ChunkElements];
        var bytes = new byte[type.RowBytes(ChunkElements)];
        while (count > 0)
        {
            int n = (int)Math.Min(count, ChunkElements);
            Span<byte> chunk = bytes.AsSpan(0, (int)type.RowBytes(n));
            if (type is TensorType.Q8_0 or TensorType.Q4_0)
            {
                FillBlocks(chunk, type, deviation);
            }
            else
            {
                FillNormal(elements.AsSpan(0, n), 0, deviation);
                Store(elements.AsSpan(0, n), type, chunk);
            }

            stream.Write(chunk);
            count -= n;
        }
    }

    /// <summary>Approximately normal numbers: sums of four uniform ones.</summary>
    public void FillNormal(Span<float> values, float mean, float deviation)
    {
        float scale = deviation / SumDeviation;
        foreach (ref float value in values)
        {
            ulong bits = Next();
            int sum = (short)bits + (short)(bits >> 16) + (short)(bits >> 32) + (short)(bits >> 48);
            value = mean + (sum * scale);
        }
    }

    /// <summary>Rounds to the type and stores.</summary>
    public static void Store(ReadOnlySpan<float> values, TensorType type, Span<byte> bytes)
    {
        switch (type)
        {
            case TensorType.F32:
                MemoryMarshal.AsBytes(values).CopyTo(bytes);
                break;
            case TensorType.F16:
                Span<Half> halves = MemoryMarshal.Cast<byte, Half>(bytes);
                for (int i = 0; i < values.Length; i++)
                {
                    halves[i] = (Half)values[i];
                }

                break;
            case TensorType.BF16:
                Span<ushort> words = MemoryMarshal.Cast<byte, ushort>(bytes);
                for (int i = 0; i < values.Length; i++)
                {
                    words[i] = (ushort)(BitConverter.SingleToUInt32Bits(values[i]) >> 16);
                }

                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "cannot be made from numbers here");
        }
    }

    /// <summary>Random blocks: a scale in half precision, then random quants.</summary>
    private void FillBlocks(Span<byte> bytes, TensorType type, float deviation)
    {
        int size = type.BlockBytes();

        // The standard deviations of uniform quants of -128..127 and of -8..7.
        var scale = (Half)(deviation / (type == TensorType.Q8_0 ? 73.9f : 4.61f));
        for (; bytes.Length > 0; bytes = bytes[size..])
        {
            for (int i = 2; i < size; i += 8)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(bytes[i..], Next());
            }

            BinaryPrimitives.WriteHalfLittleEndian(bytes, scale);
            if (type == TensorType.Q8_0)
            {
                // No quantiser makes -128.
                bytes[2..size].Replace((byte)0x80, (byte)0x81);
            }
        }
    }

    private ulong Next()
    {
        _state += 0x9E3779B97F4A7C15;
        ulong z = _state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
