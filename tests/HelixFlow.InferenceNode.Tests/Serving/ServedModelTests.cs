using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.InferenceNode.Hosting;
using HelixFlow.InferenceNode.Placement;
using HelixFlow.InferenceNode.Serving;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.InferenceNode.Tests.Serving;

public sealed class ServedModelTests
{
    private static readonly ModelSource Source = new("helix-tiny", BuiltInModel.Folder);
    private static readonly NodeOptions Options = new() { Models = [Source], Threads = 1, MaxSequences = 4, KvBytes = 8 << 20 };

    [Fact]
    public void A_models_need_is_known_before_it_is_loaded()
    {
        ModelNeed need = Entry().Need;

        using ModelFile file = ModelFile.Open(Source.Path);
        Assert.Equal(file.Config.KvHeads, need.KvHeads);
        Assert.InRange(need.WeightBytes, file.Tensors.Values.Sum(tensor => tensor.SizeBytes), 2 * file.Tensors.Values.Sum(tensor => tensor.SizeBytes));
        Assert.InRange(need.KvBytes, 1, 8 << 20);
        Assert.True(need.ScratchBytes > 0);
    }

    [Fact]
    public async Task Loading_tells_how_far_it_has_come()
    {
        var told = new List<LoadProgress>();

        await using (await ServedModel.LoadAsync(Entry(), Options, TimeProvider.System, new Told(told)))
        {
            Assert.Equal(["opening", "reading the vocabulary", "loading weights", "starting", "ready"], told.Select(progress => progress.Phase).Distinct());
            Assert.True(told.Count(progress => progress.Phase == "loading weights") > 5);
            Assert.Equal(told.Select(progress => progress.Fraction).Order(), told.Select(progress => progress.Fraction));
            Assert.Equal(1, told[^1].Fraction);
        }
    }

    [Fact]
    public async Task A_tokenizer_that_cannot_be_built_fails_the_load_by_its_files_name()
    {
        using var folder = new TempFolder();
        foreach (string file in Directory.GetFiles(BuiltInModel.Folder))
        {
            File.Copy(file, folder[Path.GetFileName(file)]);
        }

        string json = await File.ReadAllTextAsync(folder["tokenizer.json"]);
        await File.WriteAllTextAsync(folder["tokenizer.json"], json[..(json.Length / 2)]);
        var source = new ModelSource("broken", Path.GetDirectoryName(folder["tokenizer.json"])!);
        var options = new NodeOptions { Models = [source], Threads = 1, MaxSequences = 4, KvBytes = 8 << 20 };
        CatalogEntry entry = ModelCatalog.Read(options, deviceBytes: 1L << 30).Entries.Single();

        ModelFormatException failure = await Assert.ThrowsAsync<ModelFormatException>(() => ServedModel.LoadAsync(entry, options, TimeProvider.System, new Told([])));

        Assert.Contains("tokenizer.json", failure.Message, StringComparison.Ordinal);
    }

    private static CatalogEntry Entry() => ModelCatalog.Read(Options, deviceBytes: 1L << 30).Entries.Single();

    private sealed class Told(List<LoadProgress> list) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => list.Add(value);
    }
}
