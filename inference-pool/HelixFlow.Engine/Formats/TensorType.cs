namespace HelixFlow.Engine.Formats;

/// <summary>How a tensor's elements are stored. The values are GGUF's type ids, so that a file's field casts to it.</summary>
/// <remarks>
/// Layouts as in the GGUF specification (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): blocks of 32 elements for Q4_0 to
/// Q8_0, of 256 for the K types.
/// </remarks>
public enum TensorType
{
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    BF16 = 30,
}

/// <summary>Block sizes of the <see cref="TensorType"/>s.</summary>
public static class TensorTypeLayout
{
    /// <summary>Elements that are stored together: 1, 32 or 256.</summary>
    public static int BlockElements(this TensorType type) => type switch
    {
        TensorType.F32 or TensorType.F16 or TensorType.BF16 => 1,
        TensorType.Q4_0 or TensorType.Q4_1 or TensorType.Q5_0 or TensorType.Q5_1 or TensorType.Q8_0 => 32,
        TensorType.Q4_K or TensorType.Q5_K or TensorType.Q6_K => 256,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a tensor type"),
    };

    /// <summary>Bytes of one block.</summary>
    public static int BlockBytes(this TensorType type) => type switch
    {
        TensorType.F32 => 4,
        TensorType.F16 or TensorType.BF16 => 2,
        TensorType.Q4_0 => 18,
        TensorType.Q4_1 => 20,
        TensorType.Q5_0 => 22,
        TensorType.Q5_1 => 24,
        TensorType.Q8_0 => 34,
        TensorType.Q4_K => 144,
        TensorType.Q5_K => 176,
        TensorType.Q6_K => 210,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a tensor type"),
    };

    /// <summary>Bytes of a row of <paramref name="elements"/> elements, which must be whole blocks.</summary>
    /// <exception cref="OverflowException">The product does not fit.</exception>
    public static long RowBytes(this TensorType type, long elements) => checked(elements / type.BlockElements() * type.BlockBytes());
}
