namespace HelixFlow.Engine.Cpu.Vectors;

/// <summary>Which vectors a kernel is compiled for.</summary>
internal enum VectorWidth
{
    Bits128,
    Bits256,
    Bits512,
}

/// <summary>The operations on vectors of float32 that kernels are made of: one source serves all widths and is compiled for each.</summary>
/// <typeparam name="TVector">The vector itself, so that the compiler keeps it in a register.</typeparam>
internal unsafe interface IVectorWidth<TVector>
    where TVector : struct
{
    /// <summary>Elements of a vector: 4, 8 or 16.</summary>
    static abstract int Count { get; }

    static abstract TVector Create(float value);

    static abstract TVector Load(float* source);

    /// <summary>As many stored elements as a vector holds, widened; not yet multiplied by <see cref="IStoredElement.Factor"/>.</summary>
    static abstract TVector LoadStored<TElement>(byte* source)
        where TElement : struct, IStoredElement;

    static abstract void Store(TVector vector, float* target);

    static abstract TVector Add(TVector a, TVector b);

    static abstract TVector Subtract(TVector a, TVector b);

    static abstract TVector Multiply(TVector a, TVector b);

    static abstract TVector Divide(TVector a, TVector b);

    /// <summary>a * b + c, rounded once.</summary>
    static abstract TVector MultiplyAdd(TVector a, TVector b, TVector c);

    static abstract TVector Max(TVector a, TVector b);

    static abstract TVector Abs(TVector a);

    /// <summary>The elements of <paramref name="then"/> where a &lt; b, of <paramref name="otherwise"/> elsewhere.</summary>
    static abstract TVector WhereLess(TVector a, TVector b, TVector then, TVector otherwise);

    /// <summary>value * 2^n, where <paramref name="exponent"/> holds n in the lowest bits of its mantissa; no overflow is looked for.</summary>
    static abstract TVector ScaleByPower(TVector value, TVector exponent);

    static abstract float Sum(TVector vector);
}
