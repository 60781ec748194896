using System.Buffers.Binary;
using System.Collections.Immutable;

namespace HelixFlow.Engine.Formats;

/// <summary>The tensors of one safetensors file.</summary>
internal sealed unsafe class SafetensorsShard
{
    /// <summary>The reference implementation's limit.</summary>
    public const int MaxHeaderBytes = 100_000_000;

    private const int LengthBytes = 8;
    private const int MaxDimensions = 8;

    private readonly MappedFile _file;
    private readonly long _dataStart;
    private readonly List<TensorExtent> _extents = [];

    private SafetensorsShard(MappedFile file, long dataStart)
    {
        _file = file;
        _dataStart = dataStart;
    }

    public Dictionary<string, StoredTensor> Tensors { get; } = new(StringComparer.Ordinal);

    /// <summary>Integer and boolean tensors: name and element type.</summary>
    public Dictionary<string, string> LeftOut { get; } = new(StringComparer.Ordinal);

    public static SafetensorsShard Read(MappedFile file)
    {
        if (file.Length < LengthBytes + 2)
        {
            throw new ModelFormatException(file.Path, 0, $"not a safetensors file: {file.Length} bytes are too few");
        }

        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(file.Start, LengthBytes));
        if (headerBytes > MaxHeaderBytes)
        {
            throw new ModelFormatException(
                file.Path, 0, $"not a safetensors file, or damaged: it claims a header of {headerBytes} bytes; at most "
                    + $"{MaxHeaderBytes} are allowed");
        }

        if (headerBytes > (ulong)(file.Length - LengthBytes))
        {
            throw new ModelFormatException(
                file.Path, 0, $"claims a header of {headerBytes} bytes, but only {file.Length - LengthBytes} follow: the file is "
                    + "truncated");
        }

        var header = new ReadOnlySpan<byte>(file.Start + LengthBytes, (int)headerBytes);
        if (header.IsEmpty || header[0] != (byte)'{')
        {
            throw new ModelFormatException(file.Path, LengthBytes, "not a safetensors file: the header does not start with '{'");
        }

        var shard = new SafetensorsShard(file, LengthBytes + (long)headerBytes);
        JsonHeader.Parse(file.Path, LengthBytes, header, (ref JsonHeader json) => shard.ReadHeader(ref json));
        shard.RefuseOverlapsAndHoles();
        return shard;
    }

    private bool ReadHeader(ref JsonHeader json)
    {
        bool hasMetadata = false;
        json.BeginObject("the header");
        while (json.NextProperty("the header") is { } name)
        {
            if (name != "__metadata__")
            {
                ReadTensor(ref json, name);
                continue;
            }

            if (hasMetadata)
            {
                throw json.Error("__metadata__ appears twice");
            }

            hasMetadata = true;
            json.BeginObject("__metadata__");
            while (json.NextProperty("__metadata__") is { } key)
            {
                json.ReadString($"__metadata__ '{key}'");
            }
        }

        json.End();
        return true;
    }

    private void ReadTensor(ref JsonHeader json, string name)
    {
        string? elementType = null;
        Span<long> shape = stackalloc long[MaxDimensions];
        int dimensions = -1;
        Span<long> offsets = stackalloc long[2];
        int offsetCount = -1;
        string what = $"tensor '{name}'";
        json.BeginObject(what);
        while (json.NextProperty(what) is { } property)
        {
            switch (property)
            {
                case "dtype" when elementType is null:
                    elementType = json.ReadString($"the dtype of {what}");
                    break;
                case "shape" when dimensions < 0:
                    dimensions = json.ReadNumbers(shape, $"the shape of {what}");
                    break;
                case "data_offsets" when offsetCount < 0:
                    offsetCount = json.ReadNumbers(offsets, $"data_offsets of {what}");
                    break;
                case "dtype" or "shape" or "data_offsets":
                    throw json.Error($"{property} of {what} appears twice");
                default:
                    json.SkipValue();
                    break;
            }
        }

        if (elementType is null || dimensions < 0 || offsetCount != 2)
        {
            throw json.Error($"{what} needs dtype, shape and two data_offsets");
        }

        (long begin, long end) = (offsets[0], offsets[1]);
        if (begin > end || end > _file.Length - _dataStart)
        {
            throw json.Error(
                $"{what} claims the bytes {begin} to {end} of the data, which has {_file.Length - _dataStart} bytes: the file is "
                    + "truncated or damaged");
        }

        Add(ref json, name, elementType, [.. shape[..dimensions]], begin, end - begin);
    }

    private void Add(ref JsonHeader json, string name, string elementType, ImmutableArray<long> shape, long begin, long length)
    {
        TensorType? type = elementType switch
        {
            "F32" => TensorType.F32,
            "F16" => TensorType.F16,
            "BF16" => TensorType.BF16,
            "BOOL" or "U8" or "I8" or "I16" or "U16" or "I32" or "U32" or "I64" or "U64" => null,
            _ => throw json.Error($"tensor '{name}' has the unsupported type {elementType}; supported are F32, F16, BF16"),
        };

        if (Tensors.ContainsKey(name) || LeftOut.ContainsKey(name))
        {
            throw json.Error($"tensor '{name}' appears twice");
        }

        long size = type is { } known
            ? TensorExtent.SizeBytes(_file.Path, null, name, known, shape)
            : IntegerTensorBytes(ref json, name, elementType, shape);
        if (size != length)
        {
            throw json.Error($"tensor '{name}' of shape [{string.Join(", ", shape)}] and type {elementType} needs {size} bytes, "
                + $"but its range has {length}");
        }

        _extents.Add(new TensorExtent(name, begin, length));
        if (type is { } stored)
        {
            Tensors.Add(name, new StoredTensor(name, stored, shape, _file.Start + _dataStart + begin, length));
        }
        else
        {
            LeftOut.Add(name, elementType);
        }
    }

    private static long IntegerTensorBytes(ref JsonHeader json, string name, string elementType, ImmutableArray<long> shape)
    {
        Int128 size = elementType switch { "BOOL" or "U8" or "I8" => 1, "I16" or "U16" => 2, "I32" or "U32" => 4, _ => 8 };
        foreach (long dimension in shape)
        {
            size *= dimension; // below 2^63 times 2^63
            if (size > long.MaxValue)
            {
                throw json.Error($"tensor '{name}' of shape [{string.Join(", ", shape)}] is larger than any file");
            }
        }

        return (long)size;
    }

    /// <summary>The format wants every byte of the data to belong to exactly one tensor.</summary>
    private void RefuseOverlapsAndHoles()
    {
        TensorExtent.RefuseOverlaps(_file.Path, _extents);
        long end = 0;
        foreach (TensorExtent extent in _extents)
        {
            if (extent.Offset != end)
            {
                throw new ModelFormatException(
                    _file.Path, _dataStart + end, $"the {extent.Offset - end} bytes before tensor '{extent.Name}' belong to no tensor");
            }

            end += extent.Length;
        }

        if (end != _file.Length - _dataStart)
        {
            throw new ModelFormatException(
                _file.Path, _dataStart + end, $"the last {_file.Length - _dataStart - end} bytes belong to no tensor");
        }
    }
}
