using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>Sizes of a quantised matrix with the rows of a group of 16 outputs interleaved, so that one load holds codes of all 16.</summary>
/// <remarks>
/// <para>A group's column blocks follow each other; groups have the same size, a multiple of 64 bytes; rows beyond the last are zeros with zero scales.
/// Codes are unsigned: what the format calls code - offset is stored as the code.</para>
/// <para>Types of 32-column blocks: 16 float16 scales; 16 float16 minima (Q4_1, Q5_1); codes. One byte a code (Q8_0, Q5_0, Q5_1): byte 4r + j of the k-th 64
/// bytes is input 4k + j of row r. Four bits a code (Q4_0, Q4_1): the same in the low nibbles, input 16 + 4k + j in the high ones.</para>
/// <para>Q4_K, Q5_K: 16 float16 d, 16 float16 dmin; then for each 32 of the 256 columns 16 bytes of scales, 16 bytes of minima, nibbles as above, and for Q5_K 64
/// bytes of which bit b of byte 4r + j is the fifth bit of input 4b + j.</para>
/// <para>Q6_K: 16 float16 d, 32 bytes of nothing; then for each 32 columns signed scales of the first 16 columns and of the second, 16 bytes each, nibbles as
/// above, and two times 64 bytes, one for each 16 columns, of which bits 2k and 2k + 1 of byte 4r + j are the upper bits of input 4k + j.</para>
/// </remarks>
/// <param name="BlockColumns">Columns of a block: 32, or 256 for the K types.</param>
/// <param name="HeadBytes">Bytes before the first codes, or before the first 32 columns of a K type.</param>
/// <param name="PartBytes">Bytes of 32 columns, with a K type's scales.</param>
/// <param name="Offset">What was added to the codes to make them unsigned.</param>
internal readonly record struct InterleavedLayout(int BlockColumns, int HeadBytes, int PartBytes, int Offset)
{
    /// <summary>Output rows of a group.</summary>
    public const int Rows = 16;

    /// <summary>Bytes of a column block of 16 rows.</summary>
    public int BlockBytes => HeadBytes + (BlockColumns / 32 * PartBytes);

    /// <summary>The layout of a quantised type.</summary>
    public static InterleavedLayout Of(TensorType type) => type switch
    {
        TensorType.Q4_0 => new(32, 32, 256, 8),
        TensorType.Q4_1 => new(32, 64, 256, 0),
        TensorType.Q5_0 => new(32, 32, 512, 16),
        TensorType.Q5_1 => new(32, 64, 512, 0),
        TensorType.Q8_0 => new(32, 32, 512, 128),
        TensorType.Q4_K => new(256, 64, 288, 0),
        TensorType.Q5_K => new(256, 64, 352, 0),
        TensorType.Q6_K => new(256, 64, 416, 32),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a quantised type"),
    };

    /// <summary>Groups of a matrix with so many output rows.</summary>
    public static int Groups(int rows) => (rows + Rows - 1) / Rows;

    /// <summary>Bytes from a group to the next.</summary>
    public long GroupBytes(int columns) => ((long)(columns / BlockColumns) * BlockBytes + 63) & ~63L;
}
