using System.Text;
using HelixFlow.Engine.Formats;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.Engine.Tests.Formats;

public sealed unsafe class SafetensorsFileTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Example_of_the_published_format_description_reads()
    {
        // The header shown in the format's README, with its dtype and offsets.
        string header = """{"__metadata__":{"format":"pt"},"test":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}""";
        byte[] data = new byte[16];
        BitConverter.GetBytes(1.5f).CopyTo(data, 12);
        using SafetensorsFile file = Open(SafetensorsWriter.Assemble(header, data));

        StoredTensor tensor = file.Tensors["test"];
        Assert.Equal([2L, 2L], tensor.Shape.AsEnumerable());
        Assert.Equal(TensorType.F32, tensor.Type);
        Assert.Equal(1.5f, ((float*)tensor.Data)[3]);
    }

    [Fact]
    public void Scalars_empty_tensors_and_all_three_types_read()
    {
        using SafetensorsFile file = Open(new SafetensorsWriter().AddMetadata("format", "pt")
            .AddTensor("half", "F16", [2, 3], new byte[12]).AddTensor("none", "F32", [0, 4], []).AddTensor("brain", "BF16", [4], new byte[8])
            .AddTensor("scalar", [], [7f]).ToArray());

        Assert.Equal(TensorType.F16, file.Tensors["half"].Type);
        Assert.Equal(TensorType.BF16, file.Tensors["brain"].Type);
        Assert.Equal(0, file.Tensors["none"].SizeBytes);
        Assert.Equal(7f, *(float*)file.Tensors["scalar"].Data);
        Assert.Equal(1, file.Tensors["scalar"].Rows);
    }

    [Fact]
    public void Integer_buffers_are_left_out_and_named()
    {
        using SafetensorsFile file = Open(new SafetensorsWriter()
            .AddTensor("position_ids", "I64", [1, 3], new byte[24]).AddTensor("weight", [1], [1f]).ToArray());

        Assert.Equal(["weight"], file.Tensors.Keys);
        Assert.Equal("I64", file.LeftOut["position_ids"]);
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}""", 8, "tensor 'a' has the unsupported type F64")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}""", 8, "needs 4 bytes, but its range has 8")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", 8, "claims the bytes 8 to 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 7, "claims the bytes 0 to 8 of the data, which has 7")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9, "the last 1 bytes belong to no tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "the 4 bytes before tensor 'a' belong to no tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}""", 8, "not a whole number")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,8]}}""", 8, "not a whole number")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1e30],"data_offsets":[0,8]}}""", 8, "not a whole number")]
    [InlineData("""{"a":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,8]}}""", 8, "too large")]
    [InlineData("""{"a":{"dtype":"I64","shape":[9223372036854775807,9223372036854775807,8],"data_offsets":[0,8]}}""", 8, "larger than any file")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}}""", 8, "more than 8 elements")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4,8]}}""", 8, "more than 2 elements")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}""", 8, "needs dtype, shape and two data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2]}}""", 8, "needs dtype, shape and two data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"shape":[2]}}""", 8, "shape of tensor 'a' appears twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8, "'a' appears twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "tensors 'a' and 'b' overlap")]
    [InlineData("""{"__metadata__":{"n":1}}""", 0, "__metadata__ 'n' is not a string")]
    [InlineData("""{"__metadata__":{},"__metadata__":{}}""", 0, "__metadata__ appears twice")]
    [InlineData("""{"a":[]}""", 0, "tensor 'a' is not an object")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} {}""", 8, "JSON text is damaged")]
    [InlineData("""{"a":""", 0, "JSON text is damaged")]
    [InlineData("""{"\ud800":{}}""", 0, "JSON string is damaged")]
    [InlineData("""[]""", 0, "does not start with '{'")]
    public void Damaged_headers_are_explained(string header, int dataBytes, string reason)
    {
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => Open(SafetensorsWriter.Assemble(header, new byte[dataBytes])));

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.StartsWith(_folder["model.safetensors"], error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Deep_nesting_is_refused()
    {
        string header = "{\"a\":{\"x\":" + new string('[', 100_000) + new string(']', 100_000) + "}}";

        Assert.Throws<ModelFormatException>(() => Open(SafetensorsWriter.Assemble(header, [])));
    }

    [Fact]
    public void Header_that_is_not_utf8_is_refused()
    {
        byte[] file = SafetensorsWriter.Assemble("""{"name":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", new byte[8]);
        file[10] = 0xFF;

        Assert.Contains("not valid UTF-8", Assert.Throws<ModelFormatException>(() => Open(file)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ulong.MaxValue, "claims a header of 18446744073709551615 bytes")]
    [InlineData(100_000_001UL, "at most 100000000 are allowed")]
    [InlineData(1000UL, "the file is truncated")]
    [InlineData(0UL, "does not start with '{'")]
    public void Absurd_header_lengths_are_refused_without_allocating_them(ulong claimed, string reason)
    {
        byte[] file = new SafetensorsWriter().AddTensor("a", [1], [1f]).ToArray();
        BitConverter.GetBytes(claimed).CopyTo(file, 0);
        File.WriteAllBytes(_folder["model.safetensors"], file);

        long before = GC.GetAllocatedBytesForCurrentThread();
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => SafetensorsFile.Open(_folder["model.safetensors"]));

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
    }

    [Fact]
    public void Sharded_folder_reads_as_one_model()
    {
        SaveShards("""{"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors","ids":"model-2.safetensors"},"metadata":{"n":[1]}}""");

        using SafetensorsFile file = SafetensorsFile.Open(_folder.FullPath);

        Assert.Equal(1f, *(float*)file.Tensors["a"].Data);
        Assert.Equal(2f, *(float*)file.Tensors["b"].Data);
        Assert.Equal(["a", "b"], file.Tensors.Keys);
        Assert.Equal("U8", file.LeftOut["ids"]);
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":"../model-1.safetensors"}}""", "is not a plain .safetensors file name")]
    [InlineData("""{"weight_map":{"a":"/etc/model-1.safetensors"}}""", "is not a plain .safetensors file name")]
    [InlineData("""{"weight_map":{"a":"..\\model-1.safetensors"}}""", "is not a plain .safetensors file name")]
    [InlineData("""{"weight_map":{"a":"model-1.bin"}}""", "is not a plain .safetensors file name")]
    [InlineData("""{"weight_map":{"a":"model-3.safetensors"}}""", "names the shard 'model-3.safetensors', which is not in the folder")]
    [InlineData("""{"weight_map":{"c":"model-1.safetensors"}}""", "says that 'model-1.safetensors' holds tensor 'c', but it does not")]
    [InlineData("""{"weight_map":{"a":"model-1.safetensors","a":"model-1.safetensors"}}""", "tensor 'a' appears twice")]
    [InlineData("""{"weight_map":{"a":1}}""", "is not a string")]
    [InlineData("""{"weight_map":{},"weight_map":{}}""", "weight_map appears twice")]
    [InlineData("""{"metadata":{}}""", "has no weight_map")]
    [InlineData("""{"weight_map":{}""", "JSON text is damaged")]
    public void Damaged_indexes_are_explained(string index, string reason)
    {
        SaveShards(index);

        ModelFormatException error = Assert.Throws<ModelFormatException>(() => SafetensorsFile.Open(_folder.FullPath));

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.StartsWith(_folder["model.safetensors.index.json"], error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Folder_without_an_index_must_have_one_file()
    {
        Assert.Throws<ModelFormatException>(() => SafetensorsFile.Open(_folder.FullPath));
        new SafetensorsWriter().AddTensor("a", [1], [1f]).Save(_folder["only.safetensors"]);
        SafetensorsFile.Open(_folder.FullPath).Dispose();
        new SafetensorsWriter().AddTensor("a", [1], [1f]).Save(_folder["second.safetensors"]);
        Assert.Throws<ModelFormatException>(() => SafetensorsFile.Open(_folder.FullPath));
    }

    [Fact]
    public void Every_truncation_is_refused()
    {
        byte[] whole = Sample();
        for (int length = 0; length < whole.Length; length++)
        {
            Assert.Throws<ModelFormatException>(() => Open(whole[..length]));
        }
    }

    [Fact]
    public void Random_damage_gives_a_format_error_or_a_readable_file() =>
        Fuzz.Run(Sample(), seed: 20, rounds: 4000, path: _folder["fuzz.safetensors"], open: static path => SafetensorsFile.Open(path));

    [Fact]
    public void Random_damage_to_an_index_gives_a_format_error_or_a_readable_model()
    {
        const string Index = """{"metadata":{"total_size":8},"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}}""";
        SaveShards(Index);

        Fuzz.Run(
            Encoding.UTF8.GetBytes(Index),
            seed: 21,
            rounds: 2000,
            path: _folder["model.safetensors.index.json"],
            open: static path => SafetensorsFile.Open(path));
    }

    private static byte[] Sample() => new SafetensorsWriter().AddMetadata("format", "pt")
        .AddTensor("model.embed", "F16", [4, 8], new byte[64]).AddTensor("ids", "I64", [2], new byte[16])
        .AddTensor("norm", [3], [1, 2, 3]).AddTensor("brain", "BF16", [2, 2], new byte[8]).ToArray();

    private void SaveShards(string index)
    {
        new SafetensorsWriter().AddTensor("a", [1], [1f]).Save(_folder["model-1.safetensors"]);
        new SafetensorsWriter().AddTensor("b", [1], [2f]).AddTensor("ids", "U8", [3], new byte[3]).Save(_folder["model-2.safetensors"]);
        File.WriteAllText(_folder["model.safetensors.index.json"], index);
    }

    private SafetensorsFile Open(byte[] bytes)
    {
        File.WriteAllBytes(_folder["model.safetensors"], bytes);
        return SafetensorsFile.Open(_folder["model.safetensors"]);
    }
}
