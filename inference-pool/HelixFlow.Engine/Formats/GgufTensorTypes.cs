namespace HelixFlow.Engine.Formats;

/// <summary>Names of the tensor types a GGUF file may hold, for messages.</summary>
internal static class GgufTensorTypes
{
    /// <summary>The supported types, separated by commas.</summary>
    public static string Supported { get; } = string.Join(", ", Enum.GetNames<TensorType>());

    public static bool IsSupported(uint id) => id <= int.MaxValue && Enum.IsDefined((TensorType)id);

    public static string NameOf(uint id) => id switch
    {
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => IsSupported(id) ? ((TensorType)id).ToString() : $"number {id}",
    };
}
