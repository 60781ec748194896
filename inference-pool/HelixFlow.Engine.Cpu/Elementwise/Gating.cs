using System.Runtime.Intrinsics;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Vectors;

namespace HelixFlow.Engine.Cpu.Elementwise;

/// <summary>The activations of gated feed-forward layers.</summary>
internal static unsafe class Gating
{
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
            TWidth.Store(TWidth.Multiply(Activations.Of<TWidth, TVector>(TWidth.Load(gate + i), activation), TWidth.Load(up + i)), gate + i);
        }

        float* activated = stackalloc float[16];
        for (; i < count; i++)
        {
            TWidth.Store(Activations.Of<TWidth, TVector>(TWidth.Create(gate[i]), activation), activated);
            gate[i] = activated[0] * up[i];
        }
    }
}
