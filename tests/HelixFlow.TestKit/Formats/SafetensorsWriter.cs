using System.Runtime.InteropServices;
using System.Text.Json;

namespace HelixFlow.TestKit.Formats;

/// <summary>Writes safetensors files for tests. Not a general tool: it does not check what it is given.</summary>
public sealed class SafetensorsWriter
{
    private readonly List<(string Name, string Type, long[] Shape, byte[] Bytes)> _tensors = [];
    private readonly Dictionary<string, string> _metadata = [];

    public SafetensorsWriter AddMetadata(string key, string value)
    {
        _metadata.Add(key, value);
        return this;
    }

    /// <param name="name">The tensor's name.</param>
    /// <param name="type">F32, F16, BF16, I64 …</param>
    /// <param name="shape">Outermost dimension first.</param>
    /// <param name="bytes">The tensor's bytes as the file holds them.</param>
    public SafetensorsWriter AddTensor(string name, string type, long[] shape, byte[] bytes)
    {
        _tensors.Add((name, type, shape, bytes));
        return this;
    }

    /// <summary>Adds an F32 tensor.</summary>
    public SafetensorsWriter AddTensor(string name, long[] shape, ReadOnlySpan<float> values) =>
        AddTensor(name, "F32", shape, MemoryMarshal.AsBytes(values).ToArray());

    public byte[] ToArray()
    {
        var header = new Dictionary<string, object>();
        if (_metadata.Count > 0)
        {
            header.Add("__metadata__", _metadata);
        }

        long offset = 0;
        foreach ((string name, string type, long[] shape, byte[] bytes) in _tensors)
        {
            header.Add(name, new { dtype = type, shape, data_offsets = (long[])[offset, offset + bytes.Length] });
            offset += bytes.Length;
        }

        return Assemble(JsonSerializer.Serialize(header), [.. _tensors.SelectMany(static t => t.Bytes)]);
    }

    public void Save(string path) => File.WriteAllBytes(path, ToArray());

    /// <summary>A file of a given header, padded to eight bytes with spaces as the reference implementation does, and data.</summary>
    public static byte[] Assemble(string header, byte[] data)
    {
        byte[] json = System.Text.Encoding.UTF8.GetBytes(header);
        var stream = new MemoryStream();
        int padding = (8 - (json.Length % 8)) % 8;
        stream.Write(BitConverter.GetBytes((ulong)(json.Length + padding)));
        stream.Write(json);
        for (int i = 0; i < padding; i++)
        {
            stream.WriteByte((byte)' ');
        }

        stream.Write(data);
        return stream.ToArray();
    }
}
