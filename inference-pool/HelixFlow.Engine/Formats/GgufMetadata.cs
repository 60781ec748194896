using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;

namespace HelixFlow.Engine.Formats;

/// <summary>The key-value pairs of a GGUF file, read from the mapped bytes when they are asked for.</summary>
/// <remarks>
/// Integers of any width the format knows are accepted where their value fits. An absent key without a fallback and a value of another
/// kind give a <see cref="ModelFormatException"/> that names file and key. Thread-safe; not usable after the file is disposed
/// (<see cref="ObjectDisposedException"/>).
/// </remarks>
public sealed unsafe class GgufMetadata
{
    private readonly MappedFile _file;
    private readonly Dictionary<string, GgufValue> _values;

    internal GgufMetadata(MappedFile file, Dictionary<string, GgufValue> values)
    {
        _file = file;
        _values = values;
    }

    /// <summary>All keys, in the file's order.</summary>
    public IReadOnlyCollection<string> Keys => _values.Keys;

    public bool Contains(string key) => _values.ContainsKey(key);

    /// <summary>Whether the key exists and holds an array. Some keys hold one number or one for each layer.</summary>
    public bool IsArray(string key) => _values.TryGetValue(key, out GgufValue value) && value.Type == GgufValueType.Array;

    /// <summary>The number of elements of an array, without reading them; 0 when the key is absent.</summary>
    public long CountOf(string key) => _values.TryGetValue(key, out GgufValue value) && value.Type == GgufValueType.Array ? value.Count : 0;

    public bool TryGetString(string key, [NotNullWhen(true)] out string? value)
    {
        value = Contains(key) ? GetString(key) : null;
        return value is not null;
    }

    public string GetString(string key, string? fallback = null)
    {
        if (!_values.TryGetValue(key, out GgufValue value))
        {
            return fallback ?? throw Missing(key);
        }

        if (value.Type != GgufValueType.String)
        {
            throw WrongType(key, value, "a string");
        }

        return new GgufReader(_file, value.Offset).ReadString(int.MaxValue, $"metadata key '{key}'");
    }

    public uint GetUInt32(string key, uint? fallback = null) => (uint)GetInteger(key, fallback, uint.MinValue, uint.MaxValue);

    public int GetInt32(string key, int? fallback = null) => (int)GetInteger(key, fallback, int.MinValue, int.MaxValue);

    public float GetFloat(string key, float? fallback = null)
    {
        if (!_values.TryGetValue(key, out GgufValue value))
        {
            return fallback ?? throw Missing(key);
        }

        byte* at = _file.Start + value.Offset;
        return value.Type switch
        {
            GgufValueType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(new ReadOnlySpan<byte>(at, 4)),
            GgufValueType.Float64 => (float)BinaryPrimitives.ReadDoubleLittleEndian(new ReadOnlySpan<byte>(at, 8)),
            _ => TryReadInteger(value.Type, at, out Int128 integer) ? (float)integer : throw WrongType(key, value, "a number"),
        };
    }

    public bool GetBool(string key, bool? fallback = null)
    {
        if (!_values.TryGetValue(key, out GgufValue value))
        {
            return fallback ?? throw Missing(key);
        }

        return value.Type == GgufValueType.Bool ? _file.Start[value.Offset] != 0 : throw WrongType(key, value, "a boolean");
    }

    /// <summary>Bytes that are not UTF-8 become U+FFFD: published vocabularies contain such tokens.</summary>
    public string[] GetStringArray(string key)
    {
        GgufValue array = GetArray(key, "strings");
        if (array.Element != GgufValueType.String)
        {
            throw WrongType(key, array, "an array of strings");
        }

        // The count is safe to allocate: opening walked all the strings.
        var result = new string[array.Count];
        new GgufReader(_file, array.Offset).ReadStrings(result);
        return result;
    }

    public int[] GetInt32Array(string key)
    {
        GgufValue array = GetArray(key, "integers");
        var result = new int[array.Count];
        byte* at = _file.Start + array.Offset;
        if (array.Element == GgufValueType.Int32 && BitConverter.IsLittleEndian)
        {
            new ReadOnlySpan<byte>(at, checked(result.Length * 4)).CopyTo(MemoryMarshal.AsBytes(result.AsSpan()));
            return result;
        }

        int size = array.Element.FixedSize();
        for (int i = 0; i < result.Length; i++, at += size)
        {
            if (!TryReadInteger(array.Element, at, out Int128 value))
            {
                throw WrongType(key, array, "an array of integers");
            }

            result[i] = value >= int.MinValue && value <= int.MaxValue
                ? (int)value
                : throw Error(key, array, $"holds {value} at index {i}, outside {int.MinValue} to {int.MaxValue}");
        }

        return result;
    }

    public float[] GetFloatArray(string key)
    {
        GgufValue array = GetArray(key, "numbers");
        if (array.Element is not (GgufValueType.Float32 or GgufValueType.Float64))
        {
            throw WrongType(key, array, "an array of floating-point numbers");
        }

        var result = new float[array.Count];
        byte* at = _file.Start + array.Offset;
        int size = array.Element.FixedSize();
        for (int i = 0; i < result.Length; i++, at += size)
        {
            var bytes = new ReadOnlySpan<byte>(at, size);
            result[i] = array.Element == GgufValueType.Float32
                ? BinaryPrimitives.ReadSingleLittleEndian(bytes)
                : (float)BinaryPrimitives.ReadDoubleLittleEndian(bytes);
        }

        return result;
    }

    /// <summary>A short text for people: the value, or an array's element type and length.</summary>
    public string Describe(string key)
    {
        GgufValue value = _values.TryGetValue(key, out GgufValue found) ? found : throw Missing(key);
        byte* at = _file.Start + value.Offset;
        return value.Type switch
        {
            GgufValueType.Array => string.Create(CultureInfo.InvariantCulture, $"[{value.Count} × {value.Element}]"),
            GgufValueType.String => GetString(key),
            GgufValueType.Bool => GetBool(key) ? "true" : "false",
            GgufValueType.Float32 => GetFloat(key).ToString(CultureInfo.InvariantCulture),
            GgufValueType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(new ReadOnlySpan<byte>(at, 8))
                .ToString(CultureInfo.InvariantCulture),
            _ => TryReadInteger(value.Type, at, out Int128 integer)
                ? integer.ToString(CultureInfo.InvariantCulture)
                : throw WrongType(key, value, "a value"),
        };
    }

    private Int128 GetInteger(string key, Int128? fallback, Int128 min, Int128 max)
    {
        if (!_values.TryGetValue(key, out GgufValue value))
        {
            return fallback ?? throw Missing(key);
        }

        if (!TryReadInteger(value.Type, _file.Start + value.Offset, out Int128 integer))
        {
            throw WrongType(key, value, "an integer");
        }

        return integer >= min && integer <= max ? integer : throw Error(key, value, $"is {integer}, outside {min} to {max}");
    }

    private static bool TryReadInteger(GgufValueType type, byte* at, out Int128 value)
    {
        (bool isInteger, bool isUnsigned) = type switch
        {
            GgufValueType.UInt8 or GgufValueType.UInt16 or GgufValueType.UInt32 or GgufValueType.UInt64 => (true, true),
            GgufValueType.Int8 or GgufValueType.Int16 or GgufValueType.Int32 or GgufValueType.Int64 => (true, false),
            _ => (false, false),
        };
        value = isInteger ? Read<Int128>(new ReadOnlySpan<byte>(at, type.FixedSize()), isUnsigned) : 0;
        return isInteger;
    }

    private static T Read<T>(ReadOnlySpan<byte> bytes, bool isUnsigned)
        where T : IBinaryInteger<T> => T.ReadLittleEndian(bytes, isUnsigned);

    private GgufValue GetArray(string key, string kind)
    {
        GgufValue value = _values.TryGetValue(key, out GgufValue found) ? found : throw Missing(key);
        if (value.Type != GgufValueType.Array)
        {
            throw WrongType(key, value, $"an array of {kind}");
        }

        return value.Count <= Array.MaxLength ? value : throw Error(key, value, $"has {value.Count} elements, more than an array can hold");
    }

    private ModelFormatException Missing(string key) => new(_file.Path, null, $"metadata key '{key}' is missing");

    private ModelFormatException WrongType(string key, GgufValue value, string expected)
    {
        string found = value.Type == GgufValueType.Array ? $"an array of {value.Element}" : value.Type.ToString();
        return Error(key, value, $"is {found}, {expected} is expected");
    }

    private ModelFormatException Error(string key, GgufValue value, string reason) =>
        new(_file.Path, value.Offset, $"metadata key '{key}' {reason}");
}
