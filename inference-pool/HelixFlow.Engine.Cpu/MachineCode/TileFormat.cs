using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>How a kernel finds the codes of an interleaved block of 32 columns.</summary>
internal enum TileCodes
{
    /// <summary>Eight loads of one code a byte.</summary>
    Bytes,

    /// <summary>Four loads of two codes a byte.</summary>
    Nibbles,

    /// <summary>Nibbles, then one load of fifth bits.</summary>
    NibblesAndBits,

    /// <summary>Nibbles, then two loads of pairs of upper bits.</summary>
    NibblesAndPairs,
}

/// <summary>What a kernel must know of a type's interleaved layout.</summary>
/// <param name="Codes">How codes are stored.</param>
/// <param name="Offset">What was added to make the codes unsigned: 0 or a power of two.</param>
/// <param name="HasMins">Whether there is a minimum beside each scale.</param>
/// <param name="BlocksTogether">Blocks of 32 columns that share a half-precision scale: 1, or 8 for the K types, whose blocks have 8-bit scales too.</param>
/// <param name="ScalesPerBlock">Scales of a block of 32 columns: 2 for Q6_K, otherwise 1.</param>
internal sealed record TileFormat(TileCodes Codes, int Offset, bool HasMins, int BlocksTogether, int ScalesPerBlock)
{
    /// <summary>The layout of a stored type; null for float types.</summary>
    public static TileFormat? Of(TensorType type) => type switch
    {
        TensorType.Q4_0 => new TileFormat(TileCodes.Nibbles, 8, false, 1, 1),
        TensorType.Q4_1 => new TileFormat(TileCodes.Nibbles, 0, true, 1, 1),
        TensorType.Q5_0 => new TileFormat(TileCodes.Bytes, 16, false, 1, 1),
        TensorType.Q5_1 => new TileFormat(TileCodes.Bytes, 0, true, 1, 1),
        TensorType.Q8_0 => new TileFormat(TileCodes.Bytes, 128, false, 1, 1),
        TensorType.Q4_K => new TileFormat(TileCodes.Nibbles, 0, true, 8, 1),
        TensorType.Q5_K => new TileFormat(TileCodes.NibblesAndBits, 0, true, 8, 1),
        TensorType.Q6_K => new TileFormat(TileCodes.NibblesAndPairs, 32, false, 8, 2),
        _ => null,
    };

    /// <summary>Whether codes have bits apart from their nibbles.</summary>
    public bool HasUpperBits => Codes is TileCodes.NibblesAndBits or TileCodes.NibblesAndPairs;

    public bool IsSuper => BlocksTogether > 1;

    /// <summary>Columns of a column block.</summary>
    public int Columns => 32 * BlocksTogether;

    /// <summary>Bytes of 32 columns' codes of a group of 16 outputs.</summary>
    public int CodeBytes => Codes switch
    {
        TileCodes.Bytes => 512,
        TileCodes.Nibbles => 256,
        TileCodes.NibblesAndBits => 256 + 64,
        TileCodes.NibblesAndPairs => 256 + 128,
        _ => throw new InvalidOperationException("no such codes"),
    };

    /// <summary>Bytes before the codes of 32 columns: half-precision scales and minima, or the 8-bit ones of a K type.</summary>
    public int ScaleBytes => IsSuper ? 32 : HasMins ? 64 : 32;

    /// <summary>Half-precision scales, and minima or padding, at the start of a K type's column block.</summary>
    public int HeadBytes => IsSuper ? 64 : 0;

    /// <summary>Bytes of a column block of a group of 16 outputs.</summary>
    public int BlockBytes => HeadBytes + (BlocksTogether * (ScaleBytes + CodeBytes));
}
