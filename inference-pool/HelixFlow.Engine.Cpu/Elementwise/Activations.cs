using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Vectors;

namespace HelixFlow.Engine.Cpu.Elementwise;

/// <summary>Activations of whole rows, and of one vector. An element's result does not depend on the others.</summary>
internal static unsafe class Activations
{
    private const float TanhScale = 0.7978845608028654f; // sqrt(2 / pi)
    private const float TanhCubic = 0.044715f;
    private const float RootHalf = 0.70710678f;

    // The largest argument of the exponential, whose result an activation disappears beside.
    private const float Highest = 88;

    /// <summary>x = activation(x).</summary>
    public static void Apply(float* x, int count, Activation activation, VectorWidth width)
    {
        switch (width)
        {
            case VectorWidth.Bits512:
                Apply<Width512, Vector512<float>>(x, count, activation);
                break;
            case VectorWidth.Bits256:
                Apply<Width256, Vector256<float>>(x, count, activation);
                break;
            default:
                Apply<Width128, Vector128<float>>(x, count, activation);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Of<TWidth, TVector>(TVector x, Activation activation)
        where TWidth : struct, IVectorWidth<TVector>
        where TVector : struct => activation switch
        {
            Activation.GeluErf => GeluErf<TWidth, TVector>(x),
            Activation.Tanh => VectorFunctions<TWidth, TVector>.Tanh(x),
            _ => Logistic<TWidth, TVector>(x, activation),
        };

    private static void Apply<TWidth, TVector>(float* x, int count, Activation activation)
        where TWidth : struct, IVectorWidth<TVector>
        where TVector : struct
    {
        int i = 0;
        for (; i + TWidth.Count <= count; i += TWidth.Count)
        {
            TWidth.Store(Of<TWidth, TVector>(TWidth.Load(x + i), activation), x + i);
        }

        float* activated = stackalloc float[16];
        for (; i < count; i++)
        {
            TWidth.Store(Of<TWidth, TVector>(TWidth.Create(x[i]), activation), activated);
            x[i] = activated[0];
        }
    }

    // Both are x times a logistic function: GELU's tanh form is x * sigmoid(2 * sqrt(2/pi) * (x + 0.044715 x³)).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Logistic<TWidth, TVector>(TVector x, Activation activation)
        where TWidth : struct, IVectorWidth<TVector>
        where TVector : struct
    {
        TVector argument = TWidth.Subtract(TWidth.Create(0), x);
        if (activation == Activation.GeluTanh)
        {
            TVector cubic = TWidth.Multiply(TWidth.Multiply(TWidth.Multiply(TWidth.Create(TanhCubic), x), x), x);
            argument = TWidth.Multiply(TWidth.Create(-2 * TanhScale), TWidth.Add(x, cubic));
        }

        argument = TWidth.WhereLess(argument, TWidth.Create(Highest), argument, TWidth.Create(Highest));
        return TWidth.Divide(x, TWidth.Add(TWidth.Create(1), VectorFunctions<TWidth, TVector>.Exp(argument)));
    }

    // x * Φ(x) = x * erfc(-x / √2) / 2, where erfc(z) for z >= 0 is a polynomial in 1 / (1 + pz) times e^-z²
    // (Abramowitz and Stegun 7.1.26, an error of at most 1.5e-7); for x > 0 it is x less what it is for -x, the sign turned.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector GeluErf<TWidth, TVector>(TVector x)
        where TWidth : struct, IVectorWidth<TVector>
        where TVector : struct
    {
        TVector magnitude = TWidth.Abs(x);
        TVector z = TWidth.Multiply(magnitude, TWidth.Create(RootHalf));
        TVector t = TWidth.Divide(TWidth.Create(1), TWidth.MultiplyAdd(z, TWidth.Create(0.3275911f), TWidth.Create(1)));
        TVector p = TWidth.Create(1.061405429f);
        p = TWidth.MultiplyAdd(p, t, TWidth.Create(-1.453152027f));
        p = TWidth.MultiplyAdd(p, t, TWidth.Create(1.421413741f));
        p = TWidth.MultiplyAdd(p, t, TWidth.Create(-0.284496736f));
        p = TWidth.MultiplyAdd(p, t, TWidth.Create(0.254829592f));
        TVector exponential = VectorFunctions<TWidth, TVector>.Exp(TWidth.Subtract(TWidth.Create(0), TWidth.Multiply(z, z)));
        TVector tail = TWidth.Multiply(TWidth.Multiply(TWidth.Multiply(p, t), exponential), TWidth.Multiply(magnitude, TWidth.Create(0.5f)));
        return TWidth.WhereLess(x, TWidth.Create(0), TWidth.Subtract(TWidth.Create(0), tail), TWidth.Subtract(x, tail));
    }
}
