namespace HelixFlow.Engine.Formats;

/// <summary>The type of a metadata value; the values are the ids in the file.</summary>
internal enum GgufValueType : uint
{
    UInt8 = 0,
    Int8 = 1,
    UInt16 = 2,
    Int16 = 3,
    UInt32 = 4,
    Int32 = 5,
    Float32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    UInt64 = 10,
    Int64 = 11,
    Float64 = 12,
}

internal static class GgufValueTypeSizes
{
    /// <summary>Bytes of one value, 0 for those of variable size (strings and arrays), -1 for an unknown type.</summary>
    public static int FixedSize(this GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        GgufValueType.UInt64 or GgufValueType.Int64 or GgufValueType.Float64 => 8,
        GgufValueType.String or GgufValueType.Array => 0,
        _ => -1,
    };
}

/// <summary>Where a metadata value lies in the file; for an array, its first element.</summary>
/// <param name="Type">The value's type.</param>
/// <param name="Element">The elements' type when it is an array.</param>
/// <param name="Count">Elements when it is an array, else 1.</param>
/// <param name="Offset">Bytes from the start of the file.</param>
internal readonly record struct GgufValue(GgufValueType Type, GgufValueType Element, long Count, long Offset);
