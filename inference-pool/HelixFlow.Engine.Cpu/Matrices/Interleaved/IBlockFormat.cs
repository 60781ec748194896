namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>What the kernel of a type with 32-column blocks must know at compile time, so that one source gives a kernel for each.</summary>
internal interface IBlockFormat
{
    /// <summary>Every block has a minimum beside its scale.</summary>
    static abstract bool HasMins { get; }

    /// <summary>What was added to the codes to make them unsigned.</summary>
    static abstract int Offset { get; }

    /// <summary>Bytes of a block's codes.</summary>
    static abstract int CodeBytes { get; }
}

internal readonly struct Q4Format : IBlockFormat
{
    public static bool HasMins => false;

    public static int Offset => 8;

    public static int CodeBytes => 256;
}

internal readonly struct Q4MinFormat : IBlockFormat
{
    public static bool HasMins => true;

    public static int Offset => 0;

    public static int CodeBytes => 256;
}

internal readonly struct Q5Format : IBlockFormat
{
    public static bool HasMins => false;

    public static int Offset => 16;

    public static int CodeBytes => 512;
}

internal readonly struct Q5MinFormat : IBlockFormat
{
    public static bool HasMins => true;

    public static int Offset => 0;

    public static int CodeBytes => 512;
}

internal readonly struct Q8Format : IBlockFormat
{
    public static bool HasMins => false;

    public static int Offset => 128;

    public static int CodeBytes => 512;
}
