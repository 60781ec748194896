using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Cpu.Elementwise;

/// <summary>Operations on whole rows of float32: vectors of eight, then the rest one by one.</summary>
internal static unsafe class RowOperations
{
    /// <summary>output = input / sqrt(mean(input²) + epsilon) * weight, over one group. May be in place.</summary>
    public static void RmsNorm(float* input, float* weight, int count, float epsilon, float* output)
    {
        double squares = 0;
        int i = 0;
        Vector256<float> sum = default;
        for (; i + 8 <= count; i += 8)
        {
            Vector256<float> x = Vector256.Load(input + i);
            sum = Vector256.FusedMultiplyAdd(x, x, sum);
        }

        squares = Vector256.Sum(sum);
        for (; i < count; i++)
        {
            squares += input[i] * input[i];
        }

        float factor = (float)(1 / Math.Sqrt((squares / count) + epsilon));
        for (i = 0; i + 8 <= count; i += 8)
        {
            (Vector256.Load(input + i) * Vector256.Create(factor) * Vector256.Load(weight + i)).Store(output + i);
        }

        for (; i < count; i++)
        {
            output[i] = input[i] * factor * weight[i];
        }
    }

    /// <summary>output = (input - mean) / sqrt(variance + epsilon) * weight + bias, over one row. May be in place.</summary>
    public static void LayerNorm(float* input, float* weight, float* bias, int count, float epsilon, float* output)
    {
        int i = 0;
        Vector256<float> sums = default;
        for (; i + 8 <= count; i += 8)
        {
            sums += Vector256.Load(input + i);
        }

        double sum = Vector256.Sum(sums);
        for (; i < count; i++)
        {
            sum += input[i];
        }

        // A second pass: the squares' mean less the mean's square would lose what is left of them.
        float mean = (float)(sum / count);
        Vector256<float> squares = default;
        for (i = 0; i + 8 <= count; i += 8)
        {
            Vector256<float> x = Vector256.Load(input + i) - Vector256.Create(mean);
            squares = Vector256.FusedMultiplyAdd(x, x, squares);
        }

        double square = Vector256.Sum(squares);
        for (; i < count; i++)
        {
            square += (input[i] - mean) * (input[i] - mean);
        }

        float factor = (float)(1 / Math.Sqrt((square / count) + epsilon));
        for (i = 0; i + 8 <= count; i += 8)
        {
            Vector256<float> x = (Vector256.Load(input + i) - Vector256.Create(mean)) * Vector256.Create(factor);
            Vector256.FusedMultiplyAdd(x, Vector256.Load(weight + i), Vector256.Load(bias + i)).Store(output + i);
        }

        for (; i < count; i++)
        {
            output[i] = ((input[i] - mean) * factor * weight[i]) + bias[i];
        }
    }

    public static void Add(float* accumulator, float* addend, int count)
    {
        int i = 0;
        for (; i + 8 <= count; i += 8)
        {
            (Vector256.Load(accumulator + i) + Vector256.Load(addend + i)).Store(accumulator + i);
        }

        for (; i < count; i++)
        {
            accumulator[i] += addend[i];
        }
    }

    /// <summary>x = x * scale, capped by cap * tanh(x / cap) when there is a cap.</summary>
    public static void ScaleAndCap(float* x, int count, float scale, float cap)
    {
        for (int i = 0; i < count; i++)
        {
            float scaled = x[i] * scale;
            x[i] = cap > 0 ? cap * MathF.Tanh(scaled / cap) : scaled;
        }
    }
}
