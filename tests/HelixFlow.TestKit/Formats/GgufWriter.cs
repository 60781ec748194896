using System.Text;
using HelixFlow.Engine.Formats;

namespace HelixFlow.TestKit.Formats;

/// <summary>Writes GGUF version 3 files for tests. Not a general tool: it does not check what it is given.</summary>
public sealed class GgufWriter
{
    private readonly List<(string Key, object Value)> _metadata = [];
    private readonly List<(string Name, TensorType Type, long[] Shape, long SizeBytes, Action<Stream> Write)> _tensors = [];
    private int _alignment = 32;

    /// <param name="key">The metadata key.</param>
    /// <param name="value">
    /// A <see cref="byte"/>, <see cref="sbyte"/>, <see cref="ushort"/>, <see cref="short"/>, <see cref="uint"/>, <see cref="int"/>,
    /// <see cref="ulong"/>, <see cref="long"/>, <see cref="float"/>, <see cref="double"/>, <see cref="bool"/>, <see cref="string"/>, or an
    /// array of one of these, or an array of such arrays.
    /// </param>
    public GgufWriter Add(string key, object value)
    {
        _metadata.Add((key, value));
        if (key == "general.alignment")
        {
            _alignment = Convert.ToInt32(value, System.Globalization.CultureInfo.InvariantCulture);
        }

        return this;
    }

    /// <param name="name">The tensor's name.</param>
    /// <param name="type">How <paramref name="bytes"/> are stored.</param>
    /// <param name="shape">Outermost dimension first.</param>
    /// <param name="bytes">The tensor's bytes as the file holds them.</param>
    public GgufWriter AddTensor(string name, TensorType type, long[] shape, byte[] bytes) =>
        AddTensor(name, type, shape, bytes.Length, stream => stream.Write(bytes));

    /// <summary>Adds a tensor that is written when the file is, so that large ones need not be in memory.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="type">How its elements are stored.</param>
    /// <param name="shape">Outermost dimension first.</param>
    /// <param name="sizeBytes">The bytes that <paramref name="write"/> writes.</param>
    /// <param name="write">Writes the bytes as the file holds them.</param>
    public GgufWriter AddTensor(string name, TensorType type, long[] shape, long sizeBytes, Action<Stream> write)
    {
        _tensors.Add((name, type, shape, sizeBytes, write));
        return this;
    }

    /// <summary>Adds an F32 tensor.</summary>
    public GgufWriter AddTensor(string name, long[] shape, ReadOnlySpan<float> values) =>
        AddTensor(name, TensorType.F32, shape, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values).ToArray());

    public byte[] ToArray()
    {
        var stream = new MemoryStream();
        WriteTo(stream);
        return stream.ToArray();
    }

    public void Save(string path)
    {
        using FileStream stream = File.Create(path);
        WriteTo(stream);
    }

    private void WriteTo(Stream stream)
    {
        using var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write((ulong)_tensors.Count);
        writer.Write((ulong)_metadata.Count);
        foreach ((string key, object value) in _metadata)
        {
            WriteString(writer, key);
            writer.Write(TypeId(value.GetType()));
            WriteValue(writer, value);
        }

        ulong offset = 0;
        foreach ((string name, TensorType type, long[] shape, long sizeBytes, _) in _tensors)
        {
            WriteString(writer, name);
            writer.Write((uint)shape.Length);
            for (int i = shape.Length - 1; i >= 0; i--)
            {
                writer.Write(shape[i]);
            }

            writer.Write((uint)type);
            writer.Write(offset);
            offset += (ulong)(sizeBytes + Padding(sizeBytes));
        }

        writer.Flush();
        stream.Write(new byte[Padding(stream.Position)]);
        foreach ((_, _, _, long sizeBytes, Action<Stream> write) in _tensors)
        {
            write(stream);
            stream.Write(new byte[Padding(sizeBytes)]);
        }
    }

    private int Padding(long length) => (int)((_alignment - (length % _alignment)) % _alignment);

    private static void WriteString(BinaryWriter writer, string value)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(value);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static void WriteValue(BinaryWriter writer, object value)
    {
        switch (value)
        {
            case byte v: writer.Write(v); break;
            case sbyte v: writer.Write(v); break;
            case ushort v: writer.Write(v); break;
            case short v: writer.Write(v); break;
            case uint v: writer.Write(v); break;
            case int v: writer.Write(v); break;
            case float v: writer.Write(v); break;
            case bool v: writer.Write(v); break;
            case string v: WriteString(writer, v); break;
            case ulong v: writer.Write(v); break;
            case long v: writer.Write(v); break;
            case double v: writer.Write(v); break;
            case Array array:
                writer.Write(TypeId(array.GetType().GetElementType()!));
                writer.Write((ulong)array.Length);
                foreach (object? element in array)
                {
                    WriteValue(writer, element!);
                }

                break;
            default: throw new ArgumentException($"GGUF cannot hold a {value.GetType()}", nameof(value));
        }
    }

    private static uint TypeId(Type type) => Type.GetTypeCode(type) switch
    {
        TypeCode.Byte => 0,
        TypeCode.SByte => 1,
        TypeCode.UInt16 => 2,
        TypeCode.Int16 => 3,
        TypeCode.UInt32 => 4,
        TypeCode.Int32 => 5,
        TypeCode.Single => 6,
        TypeCode.Boolean => 7,
        TypeCode.String => 8,
        TypeCode.UInt64 => 10,
        TypeCode.Int64 => 11,
        TypeCode.Double => 12,
        _ when type.IsArray => 9,
        _ => throw new ArgumentException($"GGUF cannot hold a {type}", nameof(type)),
    };
}
