using System.Runtime.Intrinsics;
using HelixFlow.Engine.Cpu.Quantisation;

namespace HelixFlow.Engine.Cpu.Matrices;

/// <summary>How a float matrix's elements widen to float32, known at compile time.</summary>
internal unsafe interface IFloatElement
{
    static abstract Vector512<float> Load16(byte* row, int column);

    static abstract Vector256<float> Load8(byte* row, int column);

    static abstract float Load1(byte* row, int column);
}

internal readonly unsafe struct Single32 : IFloatElement
{
    public static Vector512<float> Load16(byte* row, int column) => Vector512.Load((float*)row + column);

    public static Vector256<float> Load8(byte* row, int column) => Vector256.Load((float*)row + column);

    public static float Load1(byte* row, int column) => ((float*)row)[column];
}

internal readonly unsafe struct Half16 : IFloatElement
{
    public static Vector512<float> Load16(byte* row, int column) => HalfFloat.Widen16((ushort*)row + column);

    public static Vector256<float> Load8(byte* row, int column) => HalfFloat.Widen8((ushort*)row + column);

    public static float Load1(byte* row, int column) => HalfFloat.Widen(((ushort*)row)[column]);
}

internal readonly unsafe struct Brain16 : IFloatElement
{
    public static Vector512<float> Load16(byte* row, int column) => HalfFloat.WidenBrain16((ushort*)row + column);

    public static Vector256<float> Load8(byte* row, int column) => HalfFloat.WidenBrain8((ushort*)row + column);

    public static float Load1(byte* row, int column) => HalfFloat.WidenBrain(((ushort*)row)[column]);
}
