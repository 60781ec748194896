using System.Runtime.CompilerServices;

namespace HelixFlow.Engine.Cpu.Vectors;

/// <summary>Exponential and hyperbolic tangent of a vector, by polynomials, to about two units in the last place.</summary>
internal static class VectorFunctions<TWidth, TVector>
    where TWidth : struct, IVectorWidth<TVector>
    where TVector : struct
{
    // 1.5 * 2^23: a float of this size has no fraction bits, so adding it rounds to an integer and leaves that in the mantissa.
    private const float Rounder = 12582912f;
    private const float Log2E = 1.44269504f;

    // ln 2 in two parts, the first with so few bits that its product with an exponent is exact.
    private const float Ln2High = 0.693359375f;
    private const float Ln2Low = -2.12194440e-4f;

    // Below it the result is no normal number any more.
    private const float Smallest = -87.33f;

    /// <summary>e^x for x up to 88, not a number for such; 0 instead of a result too small for a normal number. Exactly 1 for 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Exp(TVector x)
    {
        TVector exponent = TWidth.MultiplyAdd(x, TWidth.Create(Log2E), TWidth.Create(Rounder));
        TVector n = TWidth.Subtract(exponent, TWidth.Create(Rounder));
        TVector r = TWidth.MultiplyAdd(n, TWidth.Create(-Ln2High), x);
        r = TWidth.MultiplyAdd(n, TWidth.Create(-Ln2Low), r);

        // Coefficients for |r| <= ln(2)/2 of Cephes' expf (S. Moshier).
        TVector p = TWidth.Create(1.9875691500e-4f);
        p = TWidth.MultiplyAdd(p, r, TWidth.Create(1.3981999507e-3f));
        p = TWidth.MultiplyAdd(p, r, TWidth.Create(8.3334519073e-3f));
        p = TWidth.MultiplyAdd(p, r, TWidth.Create(4.1665795894e-2f));
        p = TWidth.MultiplyAdd(p, r, TWidth.Create(1.6666665459e-1f));
        p = TWidth.MultiplyAdd(p, r, TWidth.Create(5.0000001201e-1f));
        p = TWidth.MultiplyAdd(p, TWidth.Multiply(r, r), r);
        p = TWidth.Add(p, TWidth.Create(1));
        return TWidth.WhereLess(x, TWidth.Create(Smallest), TWidth.Create(0), TWidth.ScaleByPower(p, exponent));
    }

    /// <summary>tanh(x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Tanh(TVector x)
    {
        // Near 0 the other formula cancels. Coefficients of Cephes' tanhf.
        TVector z = TWidth.Multiply(x, x);
        TVector p = TWidth.Create(-5.70498872745e-3f);
        p = TWidth.MultiplyAdd(p, z, TWidth.Create(2.06390887954e-2f));
        p = TWidth.MultiplyAdd(p, z, TWidth.Create(-5.37397155531e-2f));
        p = TWidth.MultiplyAdd(p, z, TWidth.Create(1.33314422036e-1f));
        p = TWidth.MultiplyAdd(p, z, TWidth.Create(-3.33332819422e-1f));
        TVector small = TWidth.MultiplyAdd(TWidth.Multiply(p, z), x, x);

        // 1 - 2 / (e^2|x| + 1), with the sign of x; from |x| = 40 on it is 1 long since, and the exponential stays in its range.
        TVector magnitude = TWidth.Abs(x);
        TVector bounded = TWidth.WhereLess(magnitude, TWidth.Create(40), magnitude, TWidth.Create(40));
        TVector e = Exp(TWidth.Add(bounded, bounded));
        TVector large = TWidth.Subtract(TWidth.Create(1), TWidth.Divide(TWidth.Create(2), TWidth.Add(e, TWidth.Create(1))));
        large = TWidth.WhereLess(x, TWidth.Create(0), TWidth.Subtract(TWidth.Create(0), large), large);
        return TWidth.WhereLess(magnitude, TWidth.Create(0.625f), small, large);
    }
}
