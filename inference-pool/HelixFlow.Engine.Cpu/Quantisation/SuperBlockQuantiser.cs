using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Cpu.Quantisation;

/// <summary>Rounds 256 weights to a block of Q4_K; all eight parts of 32 at once, one in each lane of a vector.</summary>
/// <remarks>
/// The rule of ggml's quantize_row_q4_K_ref, to the bit: for each part the scale and minimum with the least weighted square error among a first guess and 21
/// least-squares fits, then both as 6-bit numbers, then the codes anew. A lane adds its numbers in their order, so that the sums round as theirs do.
/// </remarks>
internal static unsafe class SuperBlockQuantiser
{
    private const int Parts = 8;
    private const int PartColumns = 32;
    private const int Fits = 20;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Quantise(float* values, byte* block)
    {
        float* lanes = stackalloc float[256];   // [column, part]
        float* weights = stackalloc float[256]; // [column, part]
        for (int part = 0; part < Parts; part++)
        {
            for (int i = 0; i < PartColumns; i++)
            {
                lanes[(i * Parts) + part] = values[(part * PartColumns) + i];
            }
        }

        Weigh(lanes, weights);
        PartFits fits = FitParts(lanes, weights);
        StoreScales(fits.Scale, -fits.Min, block, out Vector256<float> d, out Vector256<float> dmin);
        StoreCodes(lanes, fits, d, dmin, block + 16);
    }

    // A number counts by its magnitude and the part's.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Weigh(float* lanes, float* weights)
    {
        Vector256<float> squares = default;
        for (int i = 0; i < 256; i += Parts)
        {
            Vector256<float> x = Vector256.Load(lanes + i);
            squares += x * x;
        }

        Vector256<float> average = Vector256.Sqrt(squares / Vector256.Create(32f));
        for (int i = 0; i < 256; i += Parts)
        {
            (average + Vector256.Abs(Vector256.Load(lanes + i))).Store(weights + i);
        }
    }

    // Each part's fit: x is about scale * code + min.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static PartFits FitParts(float* lanes, float* weights)
    {
        Vector256<float> min = Vector256.Load(lanes), max = min;
        Vector256<float> sumW = Vector256.Load(weights), sumX = sumW * min;
        for (int i = Parts; i < 256; i += Parts)
        {
            Vector256<float> x = Vector256.Load(lanes + i), w = Vector256.Load(weights + i);
            min = Vector256.Min(min, x);
            max = Vector256.Max(max, x);
            sumW += w;
            sumX += w * x;
        }

        min = Vector256.Min(min, Vector256<float>.Zero);
        Vector256<float> bestLow = min;
        Vector256<float> flat = Vector256.Equals(max, min);
        Vector256<float> inverse = Vector256.Create(15f) / (max - min), bestInverse = inverse;
        Vector256<float> scale = Vector256<float>.One / inverse;
        Vector256<float> best = default;
        for (int i = 0; i < 256; i += Parts)
        {
            Vector256<float> x = Vector256.Load(lanes + i);
            Vector256<float> difference = (scale * Code(inverse * (x - min))) + min - x;
            best += Vector256.Load(weights + i) * (difference * difference);
        }

        for (int fit = 0; fit <= Fits; fit++)
        {
            // The minimum found so far is where the next codes count from.
            inverse = Vector256.Create(-1f + (0.1f * fit) + 15) / (max - min);
            Fit(lanes, weights, inverse, sumW, sumX, ref scale, ref min, ref bestInverse, ref bestLow, ref best);
        }

        return new PartFits(Vector256.AndNot(scale, flat), min, bestLow, Vector256.AndNot(bestInverse, flat));
    }

    // The least-squares scale and minimum for the codes that a step width gives; kept where the error is less than the best.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fit(
        float* lanes, float* weights, Vector256<float> inverse, Vector256<float> sumW, Vector256<float> sumX,
        ref Vector256<float> scale, ref Vector256<float> min, ref Vector256<float> bestInverse, ref Vector256<float> bestLow, ref Vector256<float> best)
    {
        Vector256<float> low = min;
        Vector256<float> sumL = default, sumLL = default, sumXL = default;
        for (int i = 0; i < 256; i += Parts)
        {
            Vector256<float> x = Vector256.Load(lanes + i);
            Vector256<float> code = Code(inverse * (x - low));
            Vector256<float> weighted = Vector256.Load(weights + i) * code;
            sumL += weighted;
            sumLL += weighted * code;
            sumXL += weighted * x;
        }

        Vector256<float> determinant = (sumW * sumLL) - (sumL * sumL);
        Vector256<float> thisScale = ((sumW * sumXL) - (sumX * sumL)) / determinant;
        Vector256<float> thisMin = ((sumLL * sumX) - (sumL * sumXL)) / determinant;
        Vector256<float> above = Vector256.GreaterThan(thisMin, Vector256<float>.Zero);
        thisMin = Vector256.AndNot(thisMin, above);
        thisScale = Vector256.ConditionalSelect(above, sumXL / sumLL, thisScale);
        Vector256<float> error = default;
        for (int i = 0; i < 256; i += Parts)
        {
            Vector256<float> x = Vector256.Load(lanes + i);
            Vector256<float> difference = (thisScale * Code(inverse * (x - low))) + thisMin - x;
            error += Vector256.Load(weights + i) * (difference * difference);
        }

        Vector256<float> better = Vector256.LessThan(error, best) & Vector256.GreaterThan(determinant, Vector256<float>.Zero);
        best = Vector256.ConditionalSelect(better, error, best);
        scale = Vector256.ConditionalSelect(better, thisScale, scale);
        bestLow = Vector256.ConditionalSelect(better, low, bestLow);
        min = Vector256.ConditionalSelect(better, thisMin, min);
        bestInverse = Vector256.ConditionalSelect(better, inverse, bestInverse);
    }

    // Scales and minima as 6-bit numbers times the block's own; gives back what they are then.
    private static void StoreScales(Vector256<float> scales, Vector256<float> mins, byte* block, out Vector256<float> d, out Vector256<float> dmin)
    {
        float maxScale = 0, maxMin = 0;
        for (int part = 0; part < Parts; part++)
        {
            maxScale = scales[part] > maxScale ? scales[part] : maxScale;
            maxMin = mins[part] > maxMin ? mins[part] : maxMin;
        }

        float inverseScale = maxScale > 0 ? 63 / maxScale : 0, inverseMin = maxMin > 0 ? 63 / maxMin : 0;
        ushort halfScale = HalfFloat.Narrow(maxScale / 63), halfMin = HalfFloat.Narrow(maxMin / 63);
        ((ushort*)block)[0] = halfScale;
        ((ushort*)block)[1] = halfMin;
        byte* packed = block + 4;
        new Span<byte>(packed, 12).Clear();
        float* products = stackalloc float[2 * Parts];
        for (int part = 0; part < Parts; part++)
        {
            int scale = SixBits(inverseScale * scales[part]), min = SixBits(inverseMin * mins[part]);
            if (part < 4)
            {
                packed[part] |= (byte)scale;
                packed[part + 4] |= (byte)min;
            }
            else
            {
                packed[part + 4] = (byte)((scale & 15) | ((min & 15) << 4));
                packed[part - 4] |= (byte)(scale >> 4 << 6);
                packed[part] |= (byte)(min >> 4 << 6);
            }

            products[part] = HalfFloat.Widen(halfScale) * scale;
            products[Parts + part] = HalfFloat.Widen(halfMin) * min;
        }

        d = Vector256.Load(products);
        dmin = Vector256.Load(products + Parts);
    }

    // A byte as C makes one of an int, then at most 63: a scale below zero is possible and wraps around.
    private static int SixBits(float value) => Math.Min((byte)(int)MathF.Round(value), (byte)63);

    // For each 64 columns 32 bytes: the first 32 columns in the low nibbles, the others in the high ones. A part whose scale rounds to 0 keeps its fit's codes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreCodes(float* lanes, in PartFits fits, Vector256<float> d, Vector256<float> dmin, byte* codes)
    {
        Vector256<float> zero = Vector256.Equals(d, Vector256<float>.Zero);
        for (int i = 0; i < PartColumns; i++)
        {
            Vector256<float> x = Vector256.Load(lanes + (i * Parts));
            Vector256<int> code = Vector256.ConvertToInt32(Code(Vector256.ConditionalSelect(zero, fits.InverseStep * (x - fits.Low), (x + dmin) / d)));
            for (int chunk = 0; chunk < 4; chunk++)
            {
                codes[(chunk * PartColumns) + i] = (byte)(code[2 * chunk] | (code[(2 * chunk) + 1] << 4));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Code(Vector256<float> value) =>
        Vector256.Max(Vector256<float>.Zero, Vector256.Min(Vector256.Create(15f), Vector256.Round(value)));

    // Scale and minimum that fit best; where that fit's codes counted from, and what numbers above it were multiplied by.
    private readonly record struct PartFits(Vector256<float> Scale, Vector256<float> Min, Vector256<float> Low, Vector256<float> InverseStep);
}
