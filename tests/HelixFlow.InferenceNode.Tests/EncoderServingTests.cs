using HelixFlow.Engine.Formats;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.InferenceNode.Tests;

/// <summary>Encoders and cross-encoders behind a node's services.</summary>
public sealed class EncoderServingTests : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly Node _node;

    public EncoderServingTests()
    {
        RandomEncoder.Write("nano", "bert", TensorType.F32, _folder["embedder.gguf"]);
        RandomEncoder.WriteHuggingFace("nano", "xlm-roberta", TensorType.F32, _folder["ranker"], labels: 1, pooling: null);
        var options = new NodeOptions
        {
            Models =
            [
                new ModelSource("embedder", _folder["embedder.gguf"]), new ModelSource("ranker", _folder["ranker"]),
                new ModelSource(BuiltInModel.Name, BuiltInModel.Folder),
            ],
            Threads = 1,
            MaxSequences = 8,
            KvBytes = 16 << 20,
        };
        _node = new Node(options, TimeProvider.System, NullLoggerFactory.Instance);
    }

    [Fact]
    public async Task Models_are_described_by_what_they_were_made_for()
    {
        ListModelsResponse list = await _node.ListModelsAsync(new ListModelsRequest(), CancellationToken.None);

        Assert.Equal(
            [("bert", ModelKind.Embed, 64u, 512u), ("xlm-roberta", ModelKind.Rank, 0u, 512u)],
            list.Models.Take(2).Select(model => (model.Architecture, model.Kind, model.EmbeddingSize, model.ContextLength)));
        Assert.Equal((ModelKind.Generate, true), (list.Models[2].Kind, list.Models[2].Chat));
        Assert.All(list.Models.Take(2), model => Assert.False(model.Chat));
    }

    [Fact]
    public async Task Vectors_come_in_order_and_count_the_tokens_with_those_around_the_text()
    {
        string[] texts = [.. Enumerable.Range(1, 100).Select(i => RandomEncoder.Text(1 + (i % 40), i))];

        EmbedResponse all = await EmbedAsync([.. texts.Select(Text)]);
        EmbedResponse one = await EmbedAsync([Text(texts[63])]);

        Assert.Equal(all.Embeddings[63].Values, one.Embeddings[0].Values);
        Assert.Equal((uint)texts.Sum(text => text.Split(' ').Length + 2), all.PromptTokens);
        Assert.All(all.Embeddings, vector => Assert.Equal((64, 1.0), (vector.Values.Count, Math.Round(vector.Values.Sum(value => (double)value * value), 5))));
    }

    [Fact]
    public async Task Fewer_dimensions_are_the_first_ones_of_unit_length_and_more_are_refused()
    {
        EmbedResponse whole = await EmbedAsync([Text("w1 w2")]);
        EmbedResponse cut = await EmbedAsync([Text("w1 w2")], request => request.Dimensions = 16);

        double length = Math.Sqrt(whole.Embeddings[0].Values.Take(16).Sum(value => (double)value * value));
        Assert.Equal(16, cut.Embeddings[0].Values.Count);
        Assert.All(cut.Embeddings[0].Values.Zip(whole.Embeddings[0].Values), pair => Assert.Equal(pair.Second / length, pair.First, 1e-6));
        InferenceException refusal = await RefusalAsync([Text("w1")], request => request.Dimensions = 65);
        Assert.Equal((InferenceError.InvalidArgument, "dimensions"), (refusal.Error, refusal.Field));
    }

    [Fact]
    public async Task Too_long_a_text_is_refused_unless_it_may_be_cut()
    {
        string text = RandomEncoder.Text(511, 1);

        InferenceException refusal = await RefusalAsync([Text("w1"), Text(text)]);
        EmbedResponse cut = await EmbedAsync([Text(text)], request => request.TruncateTokens = -1);
        EmbedResponse five = await EmbedAsync([Text("w1 w2 w3 w4 w5")], request => request.TruncateTokens = 5);

        Assert.Equal((InferenceError.ContextLengthExceeded, "inputs[1]"), (refusal.Error, refusal.Field));
        Assert.Equal((512u, 5u), (cut.PromptTokens, five.PromptTokens));
        Assert.Equal((await EmbedAsync([Text("w1 w2 w3")])).Embeddings, five.Embeddings);
        Assert.Equal("truncate_prompt_tokens", (await RefusalAsync([Text("w1")], request => request.TruncateTokens = 513)).Field);
    }

    [Fact]
    public async Task A_ranker_scores_pairs_between_0_and_1_and_makes_no_vectors()
    {
        EmbedResponse scores = await EmbedAsync([Pair("w1 w2", "w3"), Pair("w1 w2", "w4 w5 w6"), Pair("w1 w2", "w3")], model: "ranker");

        Assert.All(scores.Embeddings, score => Assert.InRange(Assert.Single(score.Values), 0, 1));
        Assert.Equal(scores.Embeddings[0], scores.Embeddings[2]);
        Assert.NotEqual(scores.Embeddings[0], scores.Embeddings[1]);
        Assert.Equal(7u + 9 + 7, scores.PromptTokens); // <s> w1 w2 </s> </s> w3 </s>
        InferenceException text = await RefusalAsync([Text("w1")], model: "ranker");
        Assert.Contains("/v1/rerank", text.Message, StringComparison.Ordinal);
        Assert.Equal("model", (await RefusalAsync([Pair("w1", "w2")])).Field);
        Assert.Equal("model", (await RefusalAsync([Pair("w1", "w2")], model: BuiltInModel.Name)).Field);
    }

    [Fact]
    public async Task A_decoder_refuses_the_first_tokens_state_and_an_encoder_takes_it()
    {
        Assert.Equal("pooling", (await RefusalAsync([Text("w1")], request => request.Pooling = Pooling.First, BuiltInModel.Name)).Field);
        EmbedResponse first = await EmbedAsync([Text("w1 w2")], request => request.Pooling = Pooling.First);
        Assert.NotEqual((await EmbedAsync([Text("w1 w2")])).Embeddings, first.Embeddings);
    }

    [Theory]
    [InlineData("embedder", "/v1/embeddings")]
    [InlineData("ranker", "/v1/rerank")]
    public async Task Generation_is_refused_with_what_to_use_instead_and_loads_nothing(string model, string instead)
    {
        var refusal = await Assert.ThrowsAsync<InferenceException>(async () =>
        {
            await foreach (GenerateEvent next in _node.GenerateAsync(new GenerateRequest { Model = model, Text = "w1" }, CancellationToken.None))
            {
                Assert.Fail($"it began with {next}");
            }
        });

        Assert.Equal((InferenceError.InvalidArgument, "model"), (refusal.Error, refusal.Field));
        Assert.Contains(instead, refusal.Message, StringComparison.Ordinal);
        NodeState state = await _node.GetStateAsync(new GetStateRequest(), CancellationToken.None);
        Assert.All(state.Models, each => Assert.Equal(ModelPhase.Unloaded, each.Phase));
    }

    [Fact]
    public async Task An_encoder_holds_no_blocks_and_its_tokens_are_counted()
    {
        await EmbedAsync([Text("w1 w2 w3")]);

        NodeState state = await _node.GetStateAsync(new GetStateRequest(), CancellationToken.None);

        Schemas.Inference.V1.ModelState model = state.Models.Single(each => each.Name == "embedder");
        Assert.Equal((0u, 0u, 5ul, 5ul), (model.KvBlocksTotal, model.KvBlocksHeld, model.PromptTokensTotal, model.ComputedTokensTotal));
        Assert.True(model.MemoryBytes > 0);
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        _folder.Dispose();
    }

    private static EmbedInput Text(string text) => new() { Text = text };

    private static EmbedInput Pair(string first, string second) => new() { Pair = new TextPair { First = first, Second = second } };

    private async Task<EmbedResponse> EmbedAsync(EmbedInput[] inputs, Action<EmbedRequest>? change = null, string model = "embedder")
    {
        var request = new EmbedRequest { RequestId = "r", Model = model, Inputs = { inputs } };
        change?.Invoke(request);
        return await _node.EmbedAsync(request, CancellationToken.None);
    }

    private Task<InferenceException> RefusalAsync(EmbedInput[] inputs, Action<EmbedRequest>? change = null, string model = "embedder") =>
        Assert.ThrowsAsync<InferenceException>(() => EmbedAsync(inputs, change, model));
}
