using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Sampling;
using HelixFlow.Engine.Speculation;
using HelixFlow.InferenceNode.Hosting;
using HelixFlow.InferenceNode.Serving;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.InferenceNode.Tests.Serving;

/// <summary>The built-in model with itself, or with a changed copy of itself, as its draft.</summary>
public sealed class DraftModelTests
{
    private static readonly ModelSource Source = new("helix-tiny", BuiltInModel.Folder);

    [Fact]
    public async Task A_draft_changes_no_token_and_its_memory_counts()
    {
        NodeOptions plain = Options(SpeculationMode.Off, null);
        NodeOptions drafted = Options(SpeculationMode.Draft, BuiltInModel.Folder);
        Assert.InRange(Entry(drafted).Need.TotalBytes, 1.5 * Entry(plain).Need.WeightBytes, 3 * Entry(plain).Need.TotalBytes);
        Assert.True(Entry(drafted).Need.WeightBytes > 1.9 * Entry(plain).Need.WeightBytes);

        await using ServedModel alone = await LoadAsync(plain);
        await using ServedModel pair = await LoadAsync(drafted);

        Assert.Equal(await SayAsync(alone), await SayAsync(pair));
        EngineSnapshot end = pair.Engine.Snapshot();
        Assert.True(end.ProposedTokens > 0);
        Assert.InRange(end.AcceptedTokens, end.ProposedTokens / 2, end.ProposedTokens); // it agrees with itself as far as the answer is the likeliest
    }

    [Fact]
    public async Task A_draft_with_another_vocabulary_is_refused_by_name_and_token()
    {
        using var folder = new TempFolder();
        foreach (string file in Directory.GetFiles(BuiltInModel.Folder, "*.json").Append(Path.Combine(BuiltInModel.Folder, "model.safetensors")))
        {
            File.Copy(file, folder[Path.GetFileName(file)]);
        }

        string tokenizer = await File.ReadAllTextAsync(folder["tokenizer.json"]);
        await File.WriteAllTextAsync(folder["tokenizer.json"], tokenizer.Replace("\"!\": 36,", "\"\\\"\": 36,", StringComparison.Ordinal).Replace("\"\\\"\": 37,", "\"!\": 37,", StringComparison.Ordinal));

        ModelFormatException refusal = await Assert.ThrowsAsync<ModelFormatException>(() => LoadAsync(Options(SpeculationMode.Draft, Path.GetDirectoryName(folder["tokenizer.json"]))));

        Assert.Contains("cannot draft for helix-tiny: token 36 is '\"' here and '!' there", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_draft_without_its_mode_and_the_mode_without_a_draft_are_refused()
    {
        Assert.Throws<ArgumentException>(() => Entry(Options(SpeculationMode.Draft, null)));
        Assert.Throws<ArgumentException>(() => Entry(Options(SpeculationMode.NGram, BuiltInModel.Folder)));
    }

    private static NodeOptions Options(SpeculationMode mode, string? draft) =>
        new() { Models = [Source], Threads = 1, MaxSequences = 4, KvBytes = 8 << 20, Speculation = mode, DraftModel = draft };

    private static CatalogEntry Entry(NodeOptions options) => ModelCatalog.Read(options, deviceBytes: 1L << 30).Entries.Single();

    private static Task<ServedModel> LoadAsync(NodeOptions options) => ServedModel.LoadAsync(Entry(options), options, TimeProvider.System, new Deaf());

    private static async Task<List<int>> SayAsync(ServedModel model)
    {
        List<int> tokens = [];
        foreach (float temperature in (float[])[0, 0.7f])
        {
            var request = new SequenceRequest
            {
                RequestId = "test",
                Prompt = model.Tokenizer.Encode("<|im_start|>user\nWhat is HelixFlow?<|im_end|>\n<|im_start|>assistant\n", addSpecial: true, parseSpecial: true),
                MaxTokens = 150,
                Sampling = new SamplingOptions { Temperature = temperature, Seed = 3 },
            };
            Assert.Equal(SubmitOutcome.Accepted, model.Engine.Submit(request, out SequenceStream? stream));
            await foreach (SequenceEvent next in stream!.ReadAllAsync())
            {
                tokens.Add(next.Token);
            }
        }

        return tokens;
    }

    private sealed class Deaf : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value)
        {
        }
    }
}
