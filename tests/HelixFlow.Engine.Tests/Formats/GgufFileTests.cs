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

    [Fact]
    public void Alignment_of_the_file_is_respected()
    {
        using GgufFile file = Open(new GgufWriter().Add("general.alignment", 256u).AddTensor("a", [1], [1f]).AddTensor("b", [1], [2f]));

        Assert.Equal(256, file.Tensors["b"].Data - file.Tensors["a"].Data);
        Assert.Equal(2f, *(float*)file.Tensors["b"].Data);
    }

    [Fact]
    public void Version_2_reads_like_version_3()
    {
        byte[] bytes = Sample();
        bytes[4] = 2;
        File.WriteAllBytes(_folder["v2.gguf"], bytes);

        using GgufFile file = GgufFile.Open(_folder["v2.gguf"]);

        Assert.Equal(3, file.Tensors.Count);
    }

    [Theory]
    [InlineData(TensorType.F32, 256)]
    [InlineData(TensorType.F16, 256)]
    [InlineData(TensorType.BF16, 256)]
    [InlineData(TensorType.Q8_0, 256)]
    [InlineData(TensorType.Q4_0, 256)]
    [InlineData(TensorType.Q4_1, 256)]
    [InlineData(TensorType.Q5_0, 256)]
    [InlineData(TensorType.Q5_1, 256)]
    [InlineData(TensorType.Q4_K, 256)]
    [InlineData(TensorType.Q5_K, 256)]
    [InlineData(TensorType.Q6_K, 256)]
    public void Every_supported_type_opens(TensorType type, int columns)
    {
        byte[] bytes = new byte[3 * type.RowBytes(columns)];
        using GgufFile file = Open(new GgufWriter().AddTensor("a", type, [3, columns], bytes).AddTensor("z", [1], [5f]));

        Assert.Equal(bytes.Length, file.Tensors["a"].SizeBytes);
        Assert.Equal(5f, *(float*)file.Tensors["z"].Data);
    }

    [Theory]
    [InlineData(10, "Q2_K")]
    [InlineData(23, "IQ4_XS")]
    [InlineData(4, "number 4")]
    [InlineData(9999, "number 9999")]
    [InlineData(-1, "number 4294967295")]
    public void Unsupported_types_are_named_with_the_supported_ones(int type, string name)
    {
        ModelFormatException error = Refused(new GgufWriter().AddTensor("blk.0.x", (TensorType)type, [256], new byte[64]));

        Assert.Contains($"tensor 'blk.0.x' has the unsupported type {name}", error.Message, StringComparison.Ordinal);
        Assert.Contains("F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_and_mistyped_keys_are_named()
    {
        using GgufFile file = Open(new GgufWriter().Add("text", "a").Add("big", ulong.MaxValue).Add("negative", -1).Add("texts", new[] { "a" })
            .Add("longs", new[] { 1L, 1L << 40 }).Add("number", 4));
        GgufMetadata m = file.Metadata;

        Explains("metadata key 'gone' is missing", () => m.GetUInt32("gone"));
        Explains("metadata key 'gone' is missing", () => m.GetString("gone"));
        Explains("metadata key 'gone' is missing", () => m.GetStringArray("gone"));
        Explains("metadata key 'text' is String, an integer is expected", () => m.GetUInt32("text"));
        Explains("metadata key 'text' is String, a number is expected", () => m.GetFloat("text"));
        Explains("metadata key 'text' is String, a boolean is expected", () => m.GetBool("text"));
        Explains("metadata key 'number' is Int32, a string is expected", () => m.TryGetString("number", out _));
        Explains("metadata key 'number' is Int32, an array of integers is expected", () => m.GetInt32Array("number"));
        Explains("metadata key 'texts' is an array of String, an array of integers is expected", () => m.GetInt32Array("texts"));
        Explains("metadata key 'texts' is an array of String, an integer is expected", () => m.GetUInt32("texts"));
        Explains("metadata key 'texts' is an array of String, an array of floating-point numbers is expected", () => m.GetFloatArray("texts"));
        Explains("metadata key 'longs' is an array of Int64, an array of strings is expected", () => m.GetStringArray("longs"));
        Explains("metadata key 'big' is 18446744073709551615, outside 0 to 4294967295", () => m.GetUInt32("big"));
        Explains("metadata key 'negative' is -1, outside 0 to 4294967295", () => m.GetUInt32("negative"));
        Explains("metadata key 'longs' holds 1099511627776 at index 1", () => m.GetInt32Array("longs"));
        Assert.Equal(5u, m.GetUInt32("gone", 5));
        Assert.Equal("x", m.GetString("gone", "x"));
        Assert.False(m.TryGetString("gone", out _));

        void Explains(string reason, Action read)
        {
            ModelFormatException error = Assert.Throws<ModelFormatException>(read);
            Assert.Contains(reason, error.Message, StringComparison.Ordinal);
            Assert.Contains("model.gguf", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Duplicates_are_refused()
    {
        Assert.Contains("metadata key 'a' appears twice", Refused(new GgufWriter().Add("a", 1).Add("a", 2)).Message, StringComparison.Ordinal);
        Assert.Contains(
            "tensor 'a' appears twice",
            Refused(new GgufWriter().AddTensor("a", [1], [1f]).AddTensor("a", [1], [1f])).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Impossible_shapes_are_refused()
    {
        Explains("1 to 2147483647 is allowed", [0], 4);
        Explains("1 to 2147483647 is allowed", [1L << 31], 4);
        Explains("at most 4 are allowed", [1, 1, 1, 1, 1], 4);
        Explains("is too large", [int.MaxValue, int.MaxValue, int.MaxValue, int.MaxValue], 4);
        Explains("of the data, which has 32 bytes", [9], 4);
        Explains("not a multiple of the 256 that Q6_K stores together", [2, 128], 210, TensorType.Q6_K);

        void Explains(string reason, long[] shape, int bytes, TensorType type = TensorType.F32) => Assert.Contains(
            reason, Refused(new GgufWriter().AddTensor("a", type, shape, new byte[bytes])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(4u)]
    [InlineData(48u)]
    public void Impossible_alignments_are_refused(uint alignment)
    {
        byte[] bytes = new GgufWriter().Add("general.alignment", 64u).AddTensor("a", [1], [1f]).ToArray();
        BitConverter.GetBytes(alignment).CopyTo(bytes, 24 + 8 + "general.alignment".Length + 4);

        Assert.Contains("general.alignment is", Refused(bytes).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Misaligned_and_overlapping_tensors_are_refused()
    {
        byte[] bytes = new GgufWriter().AddTensor("a", [16], new float[16]).AddTensor("b", [16], new float[16]).ToArray();
        int offsetOfB = 24 + 33 + 25; // header, all of a, b up to its offset
        Assert.Equal(64, BitConverter.ToInt64(bytes, offsetOfB));

        bytes[offsetOfB] = 65;
        Assert.Contains("tensor 'b' starts at offset 65, not a multiple of the alignment 32", Refused(bytes).Message, StringComparison.Ordinal);
        bytes[offsetOfB] = 32;
        Assert.Contains("tensors 'a' and 'b' overlap", Refused(bytes).Message, StringComparison.Ordinal);
        bytes[offsetOfB + 7] = 0x7F;
        Assert.Contains("of the data, which has 128 bytes", Refused(bytes).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Foreign_files_are_refused_with_what_they_are()
    {
        Assert.Contains("the file is empty", Refused([]).Message, StringComparison.Ordinal);
        Assert.Contains("not a GGUF file", Refused("{\"model\": 1}"u8.ToArray()).Message, StringComparison.Ordinal);
        byte[] bytes = Sample();
        bytes[4] = 1;
        Assert.Contains("GGUF version 1 is not supported", Refused(bytes).Message, StringComparison.Ordinal);
        (bytes[4], bytes[7]) = (0, 3);
        Assert.Contains("big-endian", Refused(bytes).Message, StringComparison.Ordinal);
        Assert.Contains("one of 3 parts", Refused(new GgufWriter().Add("split.count", (ushort)3)).Message, StringComparison.Ordinal);
        Assert.Throws<FileNotFoundException>(() => GgufFile.Open(_folder["missing.gguf"]));
        Assert.Contains("is a folder", Assert.Throws<ModelFormatException>(() => GgufFile.Open(_folder.FullPath)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(8, "tensors")]
    [InlineData(16, "metadata entries")]
    [InlineData(24, "claims a string of")]
    public void Absurd_counts_are_refused_without_allocating_them(int at, string reason)
    {
        byte[] bytes = Sample();
        BitConverter.GetBytes(long.MaxValue).CopyTo(bytes, at);
        File.WriteAllBytes(_folder["model.gguf"], bytes);

        long before = GC.GetAllocatedBytesForCurrentThread();
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => GgufFile.Open(_folder["model.gguf"]));

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
    }

    [Fact]
    public void Arrays_that_nest_deeply_or_claim_too_much_are_refused()
    {
        object nested = new[] { 1 };
        for (int depth = 0; depth < 5; depth++)
        {
            Array outer = Array.CreateInstance(nested.GetType(), 1);
            outer.SetValue(nested, 0);
            nested = outer;
        }

        Assert.Contains("nests arrays deeper than 4", Refused(new GgufWriter().Add("a", nested)).Message, StringComparison.Ordinal);

        byte[] bytes = new GgufWriter().Add("a", new[] { 1, 2 }).ToArray();
        BitConverter.GetBytes(ulong.MaxValue / 4).CopyTo(bytes, 24 + 9 + 4 + 4);
        Assert.Contains("claims an array of 4611686018427387903 elements", Refused(bytes).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Invalid_utf8_is_refused_in_values_and_replaced_in_vocabularies()
    {
        byte[] bytes = new GgufWriter().Add("t", new[] { "x!" }).Add("s", "y!").ToArray();
        bytes[Array.IndexOf(bytes, (byte)'!')] = 0xFF;
        bytes[Array.IndexOf(bytes, (byte)'!')] = 0xFF;
        File.WriteAllBytes(_folder["model.gguf"], bytes);
        using GgufFile file = GgufFile.Open(_folder["model.gguf"]);

        Assert.Equal(["x\uFFFD"], file.Metadata.GetStringArray("t"));
        Assert.Throws<ModelFormatException>(() => file.Metadata.GetString("s"));
    }

    [Fact]
    public void Closed_file_refuses_to_be_read()
    {
        GgufFile file = Open(new GgufWriter().Add("a", 1));
        file.Dispose();
        file.Dispose();

        Assert.Throws<ObjectDisposedException>(() => file.Metadata.GetInt32("a"));
    }

    [Fact]
    public void Large_vocabulary_is_not_read_until_it_is_asked_for()
    {
        string[] vocabulary = [.. Enumerable.Range(0, 128_000).Select(static i => $"token{i}")];
        new GgufWriter().Add("tokenizer.ggml.tokens", vocabulary).AddTensor("a", [1], [1f]).Save(_folder["model.gguf"]);

        long before = GC.GetAllocatedBytesForCurrentThread();
        using GgufFile file = GgufFile.Open(_folder["model.gguf"]);

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
        Assert.Equal(128_000, file.Metadata.CountOf("tokenizer.ggml.tokens"));
        Assert.Equal(vocabulary, file.Metadata.GetStringArray("tokenizer.ggml.tokens"));
    }

    [Fact]
    public void Every_truncation_is_refused()
    {
        byte[] whole = Sample();
        for (int length = 0; length < whole.Length - 28; length++) // the last tensor has 4 bytes and 28 of padding
        {
            Refused(whole[..length]);
        }
    }

    [Fact]
    public void Random_damage_gives_a_format_error_or_a_readable_file() => Fuzz.Run(
        Sample(),
        seed: 10,
        rounds: 6000,
        path: _folder["fuzz.gguf"],
        open: static path => GgufFile.Open(path),
        use: static file => ReadAll((GgufFile)file));

    private static void ReadAll(GgufFile file)
    {
        foreach (string key in file.Metadata.Keys)
        {
            file.Metadata.Describe(key);
            if (file.Metadata.IsArray(key))
            {
                Ignore(() => file.Metadata.GetStringArray(key));
                Ignore(() => file.Metadata.GetInt32Array(key));
                Ignore(() => file.Metadata.GetFloatArray(key));
            }
        }

        // A damaged type field makes an array of another kind, which is an error of the right type.
        static void Ignore(Action read)
        {
            Exception? error = Record.Exception(read);
            Assert.True(error is null or ModelFormatException, error?.ToString());
        }
    }

    private static byte[] Sample() => new GgufWriter().Add("general.architecture", "llama").Add("n", 7u).Add("f", 0.5f).Add("b", true)
        .Add("tokenizer.ggml.tokens", new[] { "a", "bc", "" }).Add("types", new[] { 1, 2, 3 }).Add("nested", new[] { new[] { "x" }, [] })
        .AddTensor("embed", TensorType.Q8_0, [2, 64], new byte[136]).AddTensor("half", TensorType.F16, [3, 2], new byte[12])
        .AddTensor("norm", [1], [1f]).ToArray();

    private ModelFormatException Refused(GgufWriter writer) => Refused(writer.ToArray());

    private ModelFormatException Refused(byte[] bytes)
    {
        File.WriteAllBytes(_folder["model.gguf"], bytes);
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => GgufFile.Open(_folder["model.gguf"]));
        Assert.StartsWith(_folder["model.gguf"], error.Message, StringComparison.Ordinal);
        return error;
    }

    private GgufFile Open(GgufWriter writer)
    {
        writer.Save(_folder["model.gguf"]);
        return GgufFile.Open(_folder["model.gguf"]);
    }
}
