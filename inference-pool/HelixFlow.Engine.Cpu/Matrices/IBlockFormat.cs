namespace HelixFlow.Engine.Cpu.Matrices;

/// <summary>What an interleaved matrix's kernel must know at compile time, so that one source gives a kernel for each format.</summary>
internal interface IBlockFormat
{
    /// <summary>Columns that share a scale: 16 or 32.</summary>
    static abstract int GroupColumns { get; }

    /// <summary>Two codes a byte, or one.</summary>
    static abstract bool FourBit { get; }

    /// <summary>Scales and minima are half precision, as the format itself has them, or float32.</summary>
    static abstract bool HalfScales { get; }

    /// <summary>Every group has a minimum beside its scale.</summary>
    static abstract bool HasMins { get; }

    /// <summary>What was added to the codes to make them unsigned.</summary>
    static abstract int Offset { get; }
}

internal readonly struct Q4Format : IBlockFormat
{
    public static int GroupColumns => 32;

    public static bool FourBit => true;

    public static bool HalfScales => true;

    public static bool HasMins => false;

    public static int Offset => 8;
}

internal readonly struct Q4MinFormat : IBlockFormat
{
    public static int GroupColumns => 32;

    public static bool FourBit => true;

    public static bool HalfScales => true;

    public static bool HasMins => true;

    public static int Offset => 0;
}

internal readonly struct Q4KFormat : IBlockFormat
{
    public static int GroupColumns => 32;

    public static bool FourBit => true;

    public static bool HalfScales => false;

    public static bool HasMins => true;

    public static int Offset => 0;
}

internal readonly struct Q5Format : IBlockFormat
{
    public static int GroupColumns => 32;

    public static bool FourBit => false;

    public static bool HalfScales => true;

    public static bool HasMins => false;

    public static int Offset => 16;
}

internal readonly struct Q5MinFormat : IBlockFormat
{
    public static int GroupColumns => 32;

    public static bool FourBit => false;

    public static bool HalfScales => true;

    public static bool HasMins => true;

    public static int Offset => 0;
}

internal readonly struct Q5KFormat : IBlockFormat
{
    public static int GroupColumns => 32;

    public static bool FourBit => false;

    public static bool HalfScales => false;

    public static bool HasMins => true;

    public static int Offset => 0;
}

internal readonly struct Q6KFormat : IBlockFormat
{
    public static int GroupColumns => 16;

    public static bool FourBit => false;

    public static bool HalfScales => false;

    public static bool HasMins => false;

    public static int Offset => 32;
}

internal readonly struct Q8Format : IBlockFormat
{
    public static int GroupColumns => 32;

    public static bool FourBit => false;

    public static bool HalfScales => true;

    public static bool HasMins => false;

    public static int Offset => 128;
}
