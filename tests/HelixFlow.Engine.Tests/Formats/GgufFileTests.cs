using HelixFlow.Engine.Formats;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.Engine.Tests.Formats;

public sealed unsafe class GgufFileTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Metadata_of_every_kind_reads_back()
    {
        using GgufFile file = Open(new GgufWriter()
            .Add("general.architecture", "llama")
            .Add("byte", (byte)200).Add("sbyte", (sbyte)-5).Add("ushort", (ushort)65535).Add("short", (short)-300)
            .Add("uint", uint.MaxValue).Add("int", -7).Add("ulong", 12UL).Add("long", -13L)
            .Add("float", 1.5f).Add("double", 2.5).Add("yes", true).Add("no", false)
            .Add("strings", new[] { "a", "", "ü€😀" }).Add("ints", new[] { 1, -2, 3 }).Add("bytes", new byte[] { 1, 255 })
            .Add("floats", new[] { 0.5f, -1f }).Add("doubles", new[] { 0.25 }).Add("empty", Array.Empty<string>())
            .Add("nested", new[] { new[] { 1, 2 }, [3] }));
        GgufMetadata m = file.Metadata;

        Assert.Equal("llama", m.GetString("general.architecture"));
        Assert.Equal(200u, m.GetUInt32("byte"));
        Assert.Equal(-5, m.GetInt32("sbyte"));
        Assert.Equal(65535u, m.GetUInt32("ushort"));
        Assert.Equal(-300, m.GetInt32("short"));
        Assert.Equal(uint.MaxValue, m.GetUInt32("uint"));
        Assert.Equal(-7, m.GetInt32("int"));
        Assert.Equal(12u, m.GetUInt32("ulong"));
        Assert.Equal(-13, m.GetInt32("long"));
        Assert.Equal(1.5f, m.GetFloat("float"));
        Assert.Equal(2.5f, m.GetFloat("double"));
        Assert.Equal(-7f, m.GetFloat("int"));
        Assert.True(m.GetBool("yes"));
        Assert.False(m.GetBool("no"));
        Assert.Equal(["a", "", "ü€😀"], m.GetStringArray("strings"));
        Assert.Equal([1, -2, 3], m.GetInt32Array("ints"));
        Assert.Equal([1, 255], m.GetInt32Array("bytes"));
        Assert.Equal([0.5f, -1f], m.GetFloatArray("floats"));
        Assert.Equal([0.25f], m.GetFloatArray("doubles"));
        Assert.Empty(m.GetStringArray("empty"));
        Assert.Equal("[2 × Array]", m.Describe("nested"));
        Assert.Equal(3, m.CountOf("strings"));
        Assert.True(m.IsArray("ints"));
        Assert.Equal("general.architecture", m.Keys.First());
    }

    [Fact]
    public void Tensors_have_their_shape_outermost_first_and_their_bytes()
    {
        float[] matrix = [1, 2, 3, 4, 5, 6];
        byte[] blocks = [.. Enumerable.Range(0, 34 * 2 * 3).Select(i => (byte)i)];
        using GgufFile file = Open(new GgufWriter().Add("general.architecture", "llama")
            .AddTensor("a", [2, 3], matrix).AddTensor("b", TensorType.Q8_0, [3, 64], blocks).AddTensor("c", [1], [9f]));

        Assert.Equal(["a", "b", "c"], file.Tensors.Keys);
        StoredTensor a = file.Tensors["a"];
        Assert.Equal([2L, 3L], a.Shape.AsEnumerable());
        Assert.Equal(2, a.Rows);
        Assert.Equal(3, a.Columns);
        Assert.Equal(matrix, new ReadOnlySpan<float>(a.Data, 6).ToArray());
        StoredTensor b = file.Tensors["b"];
        Assert.Equal(TensorType.Q8_0, b.Type);
        Assert.Equal(blocks, new ReadOnlySpan<byte>(b.Data, (int)b.SizeBytes).ToArray());
        Assert.Equal(9f, *(float*)file.Tensors["c"].Data);
    }

    private GgufFile Open(GgufWriter writer)
    {
        writer.Save(_folder["model.gguf"]);
        return GgufFile.Open(_folder["model.gguf"]);
    }
}
