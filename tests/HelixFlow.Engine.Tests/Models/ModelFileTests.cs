using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.TestKit.Backends;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Tests.Models;

public sealed class ModelFileTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_gguf_file_describes_itself()
    {
        RandomModel.Write("nano", "qwen2", TensorType.Q8_0, _folder["some-model.gguf"]);

        using var file = ModelFile.Open(_folder["some-model.gguf"]);

        Assert.Equal(("some-model", ModelFileKind.Gguf, TensorType.Q8_0), (file.Name, file.Kind, file.WeightType));
        Assert.Equal("gpt2", file.Metadata!.GetString("tokenizer.ggml.model"));

        // Embedding, and for each of two layers the projections, the norms and the biases.
        const int Attention = (64 * 64) + (2 * 32 * 64) + (64 * 64);
        Assert.Equal((512 * 64) + 64 + (2 * (Attention + (3 * 192 * 64) + (2 * 64) + 64 + 32 + 32)), file.ParameterCount);
    }

    [Fact]
    public void A_folder_describes_itself()
    {
        RandomModel.WriteHuggingFace("nano", "gemma2", TensorType.BF16, _folder["some-model"]);

        using var file = ModelFile.Open(_folder["some-model"] + Path.DirectorySeparatorChar);

        Assert.Equal(("some-model", ModelFileKind.HuggingFace, TensorType.BF16), (file.Name, file.Kind, file.WeightType));
        Assert.Null(file.Metadata);
    }

    [Fact]
    public void A_path_that_is_not_there_is_named()
    {
        FileNotFoundException error = Assert.Throws<FileNotFoundException>(() => ModelFile.Open(_folder["nothing"]));

        Assert.Contains(_folder["nothing"], error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_a_model_says_what_is_expected()
    {
        Assert.Contains("config.json", Assert.Throws<ModelFormatException>(() => ModelFile.Open(_folder.FullPath)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_language_part_of_a_model_with_images_is_found()
    {
        RandomModel.WriteHuggingFace("nano", "gemma3", TensorType.F32, _folder["plain"]);
        RandomModel.WriteHuggingFace("nano", "gemma3", TensorType.F32, _folder["nested"]);
        string config = File.ReadAllText(Path.Combine(_folder["nested"], "config.json"));
        File.WriteAllText(Path.Combine(_folder["nested"], "config.json"), $$"""{"model_type": "gemma3", "text_config": {{config}}}""");
        Rename(Path.Combine(_folder["nested"], "model.safetensors"), "\"model.", "\"language_model.model.");

        Assert.Equal(Continue(_folder["plain"]), Continue(_folder["nested"]));
    }

    [Fact]
    public void A_sharded_model_is_one_model()
    {
        RandomModel.WriteHuggingFace("nano", "qwen3", TensorType.BF16, _folder["whole"]);
        RandomModel.WriteHuggingFace("nano", "qwen3", TensorType.BF16, _folder["sharded"], shards: 3);

        Assert.Equal(Continue(_folder["whole"]), Continue(_folder["sharded"]));
    }

    [Fact]
    public void Memory_is_estimated_before_loading()
    {
        RandomModel.Write("nano", "llama", TensorType.F32, _folder["model.gguf"]);
        using var file = ModelFile.Open(_folder["model.gguf"]);
        var options = new ModelRunnerOptions { KvBlocks = 10, KvBlockSize = 16, KvType = KvType.F16, MaxBatchRows = 32, ExpectedSequences = 3 };

        ModelMemory memory = ModelMemory.Of(file, options);

        long table = 512 * 64;
        Assert.Equal(4 * (file.ParameterCount + table), memory.WeightBytes);

        // Two layers, keys and values, two heads of 16 elements of 2 bytes.
        Assert.Equal(10 * 16 * 2 * 2 * 2 * 16 * 2, memory.KvBytes);
        Assert.Equal(4 * ((32 * (64 + 64 + 64 + 64 + 32 + 32 + 192 + 192)) + (4 * 512)), memory.ScratchBytes);
        Assert.Equal(memory.WeightBytes + memory.MappedBytes + memory.KvBytes + memory.ScratchBytes, memory.TotalBytes);
    }

    [Fact]
    public void Kv_blocks_follow_from_the_bytes_but_not_beyond_what_is_useful()
    {
        RandomModel.Write("nano", "llama", TensorType.F32, _folder["model.gguf"]);
        using var small = new ModelRunner(ModelFile.Open(_folder["model.gguf"]), new ReferenceBackend(), new ModelRunnerOptions { KvBytes = 50_000 });
        using var large = new ModelRunner(
            ModelFile.Open(_folder["model.gguf"]), new ReferenceBackend(), new ModelRunnerOptions { ContextLength = 100, ExpectedSequences = 2 });

        // A block of 16 positions has 16 * 2 * 2 * 2 * 16 * 2 = 4096 bytes.
        Assert.Equal((12, 12 * 16), (small.KvBlocks, small.ContextLength));
        Assert.Equal((14, 100), (large.KvBlocks, large.ContextLength));
    }

    [Fact]
    public void Too_few_kv_bytes_are_refused()
    {
        RandomModel.Write("nano", "llama", TensorType.F32, _folder["model.gguf"]);
        using var file = ModelFile.Open(_folder["model.gguf"]);

        ArgumentException error = Assert.Throws<ArgumentException>(() => ModelMemory.Of(file, new ModelRunnerOptions { KvBytes = 4095 }));

        Assert.Contains("4096 bytes", error.Message, StringComparison.Ordinal);
    }

    private static int[] Continue(string path)
    {
        using var runner = new ModelRunner(ModelFile.Open(path), new ReferenceBackend(), new ModelRunnerOptions { KvBlocks = 4, MaxBatchRows = 8 });
        return new RunnerSession(runner).Continue([3, 1, 4], 8);
    }

    private static void Rename(string path, string from, string to)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int header = BitConverter.ToInt32(bytes);
        string json = System.Text.Encoding.UTF8.GetString(bytes, 8, header).Replace(from, to, StringComparison.Ordinal);
        File.WriteAllBytes(path, SafetensorsWriter.Assemble(json, bytes[(8 + header)..]));
    }
}
