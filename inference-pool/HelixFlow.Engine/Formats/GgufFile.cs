using System.Collections.Immutable;

namespace HelixFlow.Engine.Formats;

/// <summary>A memory-mapped GGUF file (version 2 or 3, little-endian): metadata and tensors.</summary>
/// <remarks>
/// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Opening checks the whole structure, so that every tensor's bytes lie
/// in the file and no two overlap; it allocates in proportion to what the file holds, never to what its counts claim. Array values are not
/// read until they are asked for.
/// </remarks>
public sealed unsafe class GgufFile : TensorFile
{
    private const int MaxDimensions = 4;
    private const int MaxKeyBytes = 65535;
    private const int MaxTensorNameBytes = 64;
    private const int MaxArrayDepth = 4;
    private const int DefaultAlignment = 32;
    private const string AlignmentKey = "general.alignment";

    // What the smallest entry takes, to refuse absurd counts before the first entry is read.
    private const int MinKeyValueBytes = 8 + 4 + 1;
    private const int MinTensorBytes = 8 + 4 + 4 + 8;

    private readonly MappedFile _file;

    private GgufFile(MappedFile file, GgufMetadata metadata, Dictionary<string, StoredTensor> tensors)
    {
        _file = file;
        Metadata = metadata;
        Tensors = tensors;
    }

    public string Path => _file.Path;

    /// <summary>The file's key-value pairs. Usable until the file is disposed.</summary>
    public GgufMetadata Metadata { get; }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, StoredTensor> Tensors { get; }

    /// <exception cref="ModelFormatException">The file is not GGUF, is damaged, or has a type this engine does not run.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static GgufFile Open(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            var reader = new GgufReader(file, 0);
            (ulong tensorCount, ulong keyCount) = ReadHeader(ref reader);
            GgufMetadata metadata = ReadMetadata(file, ref reader, keyCount);
            RefuseSplitFile(file, metadata);
            Dictionary<string, StoredTensor> tensors = ReadTensors(file, ref reader, tensorCount, ReadAlignment(file, metadata));
            return new GgufFile(file, metadata, tensors);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    protected override void Dispose(bool disposing) => _file.Dispose();

    private static (ulong Tensors, ulong Keys) ReadHeader(ref GgufReader reader)
    {
        if (!reader.Take(4, "the magic number").SequenceEqual("GGUF"u8))
        {
            throw reader.Error(0, "not a GGUF file: it does not start with 'GGUF'");
        }

        uint version = reader.ReadUInt32("the version");
        if (version is not (2 or 3))
        {
            string found = (version & 0xFFFF) == 0 ? "a big-endian file" : $"GGUF version {version}";
            throw reader.Error(4, $"{found} is not supported; little-endian versions 2 and 3 are");
        }

        ulong tensors = reader.ReadUInt64("the tensor count");
        ulong keys = reader.ReadUInt64("the metadata count");
        if (tensors > (ulong)reader.Remaining / MinTensorBytes)
        {
            throw reader.Error(8, $"claims {tensors} tensors, more than the file's {reader.Remaining} remaining bytes can describe");
        }

        if (keys > (ulong)reader.Remaining / MinKeyValueBytes)
        {
            throw reader.Error(16, $"claims {keys} metadata entries, more than the file's {reader.Remaining} remaining bytes can hold");
        }

        return (tensors, keys);
    }

    private static GgufMetadata ReadMetadata(MappedFile file, ref GgufReader reader, ulong count)
    {
        var values = new Dictionary<string, GgufValue>(StringComparer.Ordinal);
        for (ulong i = 0; i < count; i++)
        {
            long at = reader.Position;
            string key = reader.ReadString(MaxKeyBytes, "a metadata key");
            if (!values.TryAdd(key, ReadValue(ref reader, key)))
            {
                throw reader.Error(at, $"metadata key '{key}' appears twice");
            }
        }

        return new GgufMetadata(file, values);
    }

    private static GgufValue ReadValue(ref GgufReader reader, string key)
    {
        GgufValueType type = ReadValueType(ref reader, key);
        if (type == GgufValueType.Array)
        {
            return SkipArray(ref reader, key, depth: 1);
        }

        long offset = reader.Position;
        switch (type)
        {
            case GgufValueType.String:
                reader.ReadStringBytes(key);
                break;
            case GgufValueType.Bool when reader.Take(1, key)[0] is var value && value > 1:
                throw reader.Error(offset, $"metadata key '{key}' is a boolean of value {value}; 0 or 1 expected");
            case GgufValueType.Bool:
                break;
            default:
                reader.Take(type.FixedSize(), key);
                break;
        }

        return new GgufValue(type, type, 1, offset);
    }

    private static GgufValue SkipArray(ref GgufReader reader, string key, int depth)
    {
        if (depth > MaxArrayDepth)
        {
            throw reader.Error(reader.Position, $"metadata key '{key}' nests arrays deeper than {MaxArrayDepth}");
        }

        GgufValueType element = ReadValueType(ref reader, key);
        long countAt = reader.Position;
        ulong count = reader.ReadUInt64(key);
        long offset = reader.Position;

        // A string takes at least its length field, an inner array its type and its count.
        int minBytes = element switch { GgufValueType.String => 8, GgufValueType.Array => 12, _ => element.FixedSize() };
        if (count > (ulong)reader.Remaining / (ulong)minBytes)
        {
            throw reader.Error(
                countAt, $"metadata key '{key}' claims an array of {count} elements, but the file has only {reader.Remaining} bytes left");
        }

        switch (element)
        {
            case GgufValueType.String:
                reader.SkipStrings(count, key);
                break;
            case GgufValueType.Array:
                for (ulong i = 0; i < count; i++)
                {
                    SkipArray(ref reader, key, depth + 1);
                }

                break;
            default:
                reader.Skip(count, minBytes, key);
                break;
        }

        return new GgufValue(GgufValueType.Array, element, (long)count, offset);
    }

    private static GgufValueType ReadValueType(ref GgufReader reader, string key)
    {
        long at = reader.Position;
        var type = (GgufValueType)reader.ReadUInt32(key);
        return type.FixedSize() >= 0
            ? type
            : throw reader.Error(at, $"metadata key '{key}' has the unknown value type {(uint)type}; 0 to 12 are defined");
    }

    private static long ReadAlignment(MappedFile file, GgufMetadata metadata)
    {
        uint alignment = metadata.GetUInt32(AlignmentKey, DefaultAlignment);
        return uint.IsPow2(alignment) && alignment >= 8
            ? alignment
            : throw new ModelFormatException(file.Path, null, $"{AlignmentKey} is {alignment}; a power of two of at least 8 is expected");
    }

    private static void RefuseSplitFile(MappedFile file, GgufMetadata metadata)
    {
        if (metadata.GetUInt32("split.count", 0) is var parts and > 1)
        {
            throw new ModelFormatException(
                file.Path, null, $"is one of {parts} parts of a split model; join them first (llama-gguf-split --merge FIRST-PART OUTPUT)");
        }
    }

    private static Dictionary<string, StoredTensor> ReadTensors(MappedFile file, ref GgufReader reader, ulong count, long alignment)
    {
        var entries = new List<(string Name, TensorType Type, ImmutableArray<long> Shape, long Offset, long Size, long At)>();
        for (ulong i = 0; i < count; i++)
        {
            long at = reader.Position;
            string name = reader.ReadString(MaxTensorNameBytes, "a tensor name");
            ImmutableArray<long> shape = ReadShape(ref reader, name);
            long typeAt = reader.Position;
            uint typeId = reader.ReadUInt32("a tensor type");
            TensorType type = GgufTensorTypes.IsSupported(typeId)
                ? (TensorType)typeId
                : throw reader.Error(
                    typeAt,
                    $"tensor '{name}' has the unsupported type {GgufTensorTypes.NameOf(typeId)}; "
                    + $"supported are {GgufTensorTypes.Supported}");
            ulong offset = reader.ReadUInt64("a tensor offset");
            if (offset > long.MaxValue || (long)offset % alignment != 0)
            {
                throw reader.Error(
                    reader.Position - 8, $"tensor '{name}' starts at offset {offset}, not a multiple of the alignment {alignment}");
            }

            long size = TensorExtent.SizeBytes(file.Path, typeAt, name, type, shape);
            entries.Add((name, type, shape, (long)offset, size, at));
        }

        long dataStart = (reader.Position + alignment - 1) / alignment * alignment;
        var tensors = new Dictionary<string, StoredTensor>(StringComparer.Ordinal);
        var extents = new List<TensorExtent>();
        foreach ((string name, TensorType type, ImmutableArray<long> shape, long offset, long size, long at) in entries)
        {
            long available = file.Length - dataStart;
            if (offset > available || size > available - offset)
            {
                throw reader.Error(
                    at,
                    $"tensor '{name}' needs {size} bytes at offset {offset} of the data, which has {Math.Max(available, 0)} bytes: "
                    + "the file is truncated or damaged");
            }

            if (!tensors.TryAdd(name, new StoredTensor(name, type, shape, file.Start + dataStart + offset, size)))
            {
                throw reader.Error(at, $"tensor '{name}' appears twice");
            }

            extents.Add(new TensorExtent(name, dataStart + offset, size));
        }

        TensorExtent.RefuseOverlaps(file.Path, extents);
        return tensors;
    }

    /// <summary>The file counts dimensions from the innermost; the result is outermost first.</summary>
    private static ImmutableArray<long> ReadShape(ref GgufReader reader, string name)
    {
        long at = reader.Position;
        uint count = reader.ReadUInt32("the number of dimensions");
        if (count > MaxDimensions)
        {
            throw reader.Error(at, $"tensor '{name}' has {count} dimensions; at most {MaxDimensions} are allowed");
        }

        var shape = new long[count];
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            ulong dimension = reader.ReadUInt64("a dimension");
            shape[i] = dimension is > 0 and <= int.MaxValue
                ? (long)dimension
                : throw reader.Error(
                    reader.Position - 8, $"tensor '{name}' has a dimension of {dimension}; 1 to {int.MaxValue} is allowed");
        }

        return ImmutableArray.Create(shape);
    }
}
