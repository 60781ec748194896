using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Cpu.Elementwise;

/// <summary>The activations of gated feed-forward layers. All widths of vectors give the same bits.</summary>
internal static unsafe class Gating
{
    private const float TanhScale = 0.7978845608028654f; // sqrt(2 / pi)
    private const float TanhCubic = 0.044715f;

    /// <summary>gate = activation(gate) * up.</summary>
    public static void Apply(float* gate, float* up, int count, Activation activation)
    {
        int i = 0;
        for (; Vector512.IsHardwareAccelerated && i + 16 <= count; i += 16)
        {
            (Activate(Vector512.Load(gate + i), activation) * Vector512.Load(up + i)).Store(gate + i);
        }

        for (; i + 8 <= count; i += 8)
        {
            (Activate(Vector256.Load(gate + i), activation) * Vector256.Load(up + i)).Store(gate + i);
        }

        for (; i < count; i++)
        {
            gate[i] = Activate(Vector256.Create(gate[i]), activation)[0] * up[i];
        }
    }

    // Both activations are x times a logistic function: GELU's tanh form is x * sigmoid(2 * sqrt(2/pi) * (x + 0.044715 x³)).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Activate(Vector512<float> x, Activation activation)
    {
        Vector512<float> argument = activation == Activation.Silu
            ? x
            : Vector512.Create(2 * TanhScale) * (x + (Vector512.Create(TanhCubic) * x * x * x));
        return x / (Vector512<float>.One + Exponential.Of(-argument));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Activate(Vector256<float> x, Activation activation)
    {
        Vector256<float> argument = activation == Activation.Silu
            ? x
            : Vector256.Create(2 * TanhScale) * (x + (Vector256.Create(TanhCubic) * x * x * x));
        return x / (Vector256<float>.One + Exponential.Of(-argument));
    }
}
