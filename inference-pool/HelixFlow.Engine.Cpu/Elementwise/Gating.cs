using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Vectors;

namespace HelixFlow.Engine.Cpu.Elementwise;

/// <summary>The activations of gated feed-forward layers.</summary>
internal static unsafe class Gating
{
    private const float TanhScale = 0.7978845608028654f; // sqrt(2 / pi)
    private const float TanhCubic = 0.044715f;

    // The largest argument of the exponential, whose result an activation disappears beside.
    private const float Highest = 88;

    /// <summary>gate = activation(gate) * up. An element's result does not depend on the others.</summary>
    public static void Apply(float* gate, float* up, int count, Activation activation, VectorWidth width)
    {
        switch (width)
        {
            case VectorWidth.Bits512:
                Apply<Width512, Vector512<float>>(gate, up, count, activation);
                break;
            case VectorWidth.Bits256:
                Apply<Width256, Vector256<float>>(gate, up, count, activation);
                break;
            default:
                Apply<Width128, Vector128<float>>(gate, up, count, activation);
                break;
        }
    }

    private static void Apply<TWidth, TVector>(float* gate, float* up, int count, Activation activation)
        where TWidth : struct, IVectorWidth<TVector>
        where TVector : struct
    {
        int i = 0;
        for (; i + TWidth.Count <= count; i += TWidth.Count)
        {
            TWidth.Store(TWidth.Multiply(Activate<TWidth, TVector>(TWidth.Load(gate + i), activation), TWidth.Load(up + i)), gate + i);
        }

        float* activated = stackalloc float[16];
        for (; i < count; i++)
        {
            TWidth.Store(Activate<TWidth, TVector>(TWidth.Create(gate[i]), activation), activated);
            gate[i] = activated[0] * up[i];
        }
    }

    // Both activations are x times a logistic function: GELU's tanh form is x * sigmoid(2 * sqrt(2/pi) * (x + 0.044715 x³)).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Activate<TWidth, TVector>(TVector x, Activation activation)
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
}
