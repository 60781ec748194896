using HelixFlow.Engine.Models;
using HelixFlow.InferenceNode.Hosting;
using HelixFlow.InferenceNode.Placement;
using HelixFlow.InferenceNode.Serving;

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

        await using (ServedModel.Load(Entry(), Options, TimeProvider.System, new Told(told)))
        {
            Assert.Equal(["opening", "reading the vocabulary", "loading weights", "starting", "ready"], told.Select(progress => progress.Phase).Distinct());
            Assert.True(told.Count(progress => progress.Phase == "loading weights") > 5);
            Assert.Equal(told.Select(progress => progress.Fraction).Order(), told.Select(progress => progress.Fraction));
            Assert.Equal(1, told[^1].Fraction);
        }
    }

    private static CatalogEntry Entry() => ModelCatalog.Read(Options, deviceBytes: 1L << 30).Entries.Single();

    private sealed class Told(List<LoadProgress> list) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => list.Add(value);
    }
}
