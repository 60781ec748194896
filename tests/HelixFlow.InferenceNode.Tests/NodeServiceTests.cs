using HelixFlow.Engine.Cpu;
using HelixFlow.InferenceNode.Tests.Health;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.InferenceNode.Tests;

/// <summary>What a node offers beside generation: models on demand, resuming, draining, states.</summary>
public sealed class NodeServiceTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    [Fact]
    public async Task A_request_for_a_model_that_is_not_loaded_is_held_until_it_is()
    {
        await using Node node = Create();

        List<GenerateEvent> events = await RunAsync(node, Request());

        Assert.NotNull(events[0].Waiting);
        Assert.Contains(events, next => next.Usage is not null);
        Assert.Equal(ModelPhase.Resident, (await StateAsync(node)).Models[0].Phase);
    }

    [Fact]
    public async Task Models_that_do_not_fit_together_take_turns()
    {
        await using Node probe = Create();
        long need = (long)(await StateAsync(probe)).Models[0].MemoryBytes;
        await using Node node = Create(options =>
        {
            options.Models = [new ModelSource("one", BuiltInModel.Folder), new ModelSource("two", BuiltInModel.Folder)];
            options.MemoryBytes = need + (need / 2);
        });
        await node.LoadAsync(CancellationToken.None);

        foreach (string model in (string[])["one", "two", "one", "two"])
        {
            List<GenerateEvent> events = await RunAsync(node, Request(model));

            Assert.Equal(FinishReason.Length, events.Single(next => next.Finish is not null).Finish.Reason);
            NodeState state = await StateAsync(node);
            Assert.Equal(model, state.Models.Single(each => each.Phase == ModelPhase.Resident).Name);
            Assert.True(state.Devices[0].UsedBytes <= state.Devices[0].BudgetBytes);
        }

        Assert.Equal(4u * 8, (await StateAsync(node)).Models.Aggregate(0ul, (sum, model) => sum + model.GeneratedTokensTotal));
    }

    [Fact]
    public async Task A_model_that_can_never_fit_is_refused_with_the_sizes()
    {
        await using Node node = Create(options => options.MemoryBytes = 1 << 20);

        var refusal = await Assert.ThrowsAsync<InferenceException>(() => RunAsync(node, Request()));

        Assert.Equal(InferenceError.ModelUnavailable, refusal.Error);
        Assert.Contains("MiB", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_whose_file_is_damaged_after_the_start_says_so_to_everyone_who_waits()
    {
        string folder = Directory.CreateTempSubdirectory("helixflow-node").FullName;
        try
        {
            foreach (string file in Directory.EnumerateFiles(BuiltInModel.Folder))
            {
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
            }

            await using Node node = Create(options => options.Models = [new ModelSource("broken", folder), new ModelSource("whole", BuiltInModel.Folder)]);
            await File.WriteAllTextAsync(Path.Combine(folder, "tokenizer.json"), "{");

            InferenceException[] refusals = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Assert.ThrowsAsync<InferenceException>(() => RunAsync(node, Request("broken")))));

            Assert.All(refusals, refusal => Assert.Equal(InferenceError.ModelUnavailable, refusal.Error));
            Assert.All(refusals, refusal => Assert.Contains("tokenizer.json", refusal.Message, StringComparison.Ordinal));
            Assert.Equal(ModelPhase.Failed, (await StateAsync(node)).Models[0].Phase);
            Assert.NotEmpty(await RunAsync(node, Request("whole")));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(1, 0.0)]
    [InlineData(1, 0.9)]
    [InlineData(3, 0.9)]
    public async Task A_stream_that_is_cut_anywhere_goes_on_as_if_it_had_not_been(uint n, double temperature)
    {
        await using Node node = Create();
        GenerateRequest request = Request(maxTokens: 24);
        request.N = n;
        request.WithTokenIds = true;
        request.Sampling = new SamplingParameters { Temperature = (float)temperature, Seed = 7 };
        List<GenerateEvent> whole = await RunAsync(node, request);

        foreach (int cut in (int[])[2, 9, 20])
        {
            GenerateEvent[] before = [.. whole.Where(next => next.Token is not null).Take(cut)];
            GenerateRequest rest = request.Clone();
            for (uint choice = 0; choice < n; choice++)
            {
                rest.Resume.Add(new ResumedChoice { Choice = choice, TokenIds = { before.Where(next => next.Token.Choice == choice).SelectMany(next => next.Token.TokenIds) } });
            }

            List<GenerateEvent> after = await RunAsync(node, rest);

            for (uint choice = 0; choice < n; choice++)
            {
                Assert.Equal(Text(whole, choice), Text(before, choice) + Text(after, choice));
            }

            Assert.Equal(Usage(whole), Usage(after));
        }
    }

    [Fact]
    public async Task A_drained_node_lets_requests_end_and_takes_no_new_ones()
    {
        StuckBackend backend = null!;
        await using Node node = Create(options => options.CreateBackend = _ => backend = new StuckBackend(new CpuBackend(new CpuBackendOptions { Threads = 1 })));
        await node.LoadAsync(CancellationToken.None);
        backend.StickAt = backend.Steps + 20;
        Task<List<GenerateEvent>> running = RunAsync(node, Request(maxTokens: 60));
        await backend.Stuck.Task.WaitAsync(Patience);

        Task drained = node.DrainAsync(Patience, CancellationToken.None);
        Assert.Equal(NodePhase.Draining, node.Phase);
        Assert.Equal(InferenceError.Unavailable, (await Assert.ThrowsAsync<InferenceException>(() => RunAsync(node, Request()))).Error);
        Assert.False(drained.IsCompleted);
        backend.Free();

        await drained.WaitAsync(Patience);
        Assert.Equal(FinishReason.Length, (await running.WaitAsync(Patience)).Single(next => next.Finish is not null).Finish.Reason);
        Assert.Equal(NodePhase.Draining, node.Phase);
    }

    [Fact]
    public async Task What_cannot_end_within_the_drains_limit_is_told_that_it_can_go_on_elsewhere()
    {
        StuckBackend backend = null!;
        await using Node node = Create(options => options.CreateBackend = _ => backend = new StuckBackend(new CpuBackend(new CpuBackendOptions { Threads = 1 })));
        await node.LoadAsync(CancellationToken.None);
        backend.StickAt = backend.Steps + 20;
        Task<List<GenerateEvent>> running = RunAsync(node, Request(maxTokens: 60));
        await backend.Stuck.Task.WaitAsync(Patience);

        Task drained = node.DrainAsync(TimeSpan.Zero, CancellationToken.None);

        var end = await Assert.ThrowsAsync<InferenceException>(() => running.WaitAsync(Patience));
        Assert.Equal(InferenceError.Unavailable, end.Error);
        backend.Free();
        await drained.WaitAsync(Patience);
    }

    [Fact]
    public async Task A_request_ends_when_its_time_is_up()
    {
        await using Node node = Create();
        await node.LoadAsync(CancellationToken.None);
        GenerateRequest request = Request(maxTokens: 500);
        request.TimeoutMs = 1;

        Assert.Equal(InferenceError.DeadlineExceeded, (await Assert.ThrowsAsync<InferenceException>(() => RunAsync(node, request))).Error);
        await UntilAsync(async () => (await StateAsync(node)).Models[0].KvBlocksHeld == 0);
    }

    [Fact]
    public async Task Tokens_are_counted_as_generation_counts_them()
    {
        await using Node node = Create();
        List<GenerateEvent> events = await RunAsync(node, Request());
        ChatPrompt chat = Request().Chat;

        TokenizeResponse tokens = await node.TokenizeAsync(new TokenizeRequest { Model = BuiltInModel.Name, Chat = chat }, CancellationToken.None);
        CountTokensResponse count = await node.CountTokensAsync(new CountTokensRequest { Model = BuiltInModel.Name, Chat = chat }, CancellationToken.None);

        Assert.Equal(events.Single(next => next.Prompt is not null).Prompt.PromptTokens, count.Tokens);
        Assert.Equal((int)count.Tokens, tokens.TokenIds.Count);
        TokenizeResponse bare = await node.TokenizeAsync(new TokenizeRequest { Model = BuiltInModel.Name, Text = "Hello", WithoutSpecial = true }, CancellationToken.None);
        TokenizeResponse whole = await node.TokenizeAsync(new TokenizeRequest { Model = BuiltInModel.Name, Text = "Hello" }, CancellationToken.None);
        Assert.Equal(bare.TokenIds, whole.TokenIds.Skip(whole.TokenIds.Count - bare.TokenIds.Count));
    }

    [Fact]
    public async Task Vectors_have_unit_length_and_tell_texts_apart()
    {
        await using Node node = Create();
        var request = new EmbedRequest { Model = BuiltInModel.Name, Pooling = Pooling.Mean };
        request.Inputs.Add([new EmbedInput { Text = "a cat" }, new EmbedInput { Text = "a cat" }, new EmbedInput { Text = "an invoice from March" }]);

        EmbedResponse response = await node.EmbedAsync(request, CancellationToken.None);

        Assert.All(response.Embeddings, each => Assert.Equal(1, each.Values.Sum(value => value * value), 1e-3));
        Assert.Equal(response.Embeddings[0].Values, response.Embeddings[1].Values);
        Assert.NotEqual(response.Embeddings[0].Values, response.Embeddings[2].Values);
        Assert.Equal("inputs[0]", (await Assert.ThrowsAsync<InferenceException>(() => node.EmbedAsync(
            new EmbedRequest { Model = BuiltInModel.Name, Inputs = { new EmbedInput() } }, CancellationToken.None).AsTask())).Field);
    }

    [Fact]
    public async Task Vectors_can_be_cut_and_have_unit_length_again()
    {
        await using Node node = Create();
        EmbedRequest Request(uint dimensions) => new() { Model = BuiltInModel.Name, Dimensions = dimensions, Inputs = { new EmbedInput { Text = "a cat" } } };

        float[] whole = [.. (await node.EmbedAsync(Request(0), CancellationToken.None)).Embeddings[0].Values];
        float[] all = [.. (await node.EmbedAsync(Request((uint)whole.Length), CancellationToken.None)).Embeddings[0].Values];
        float[] few = [.. (await node.EmbedAsync(Request(7), CancellationToken.None)).Embeddings[0].Values];
        var refusal = await Assert.ThrowsAsync<InferenceException>(() => node.EmbedAsync(Request((uint)whole.Length + 1), CancellationToken.None).AsTask());

        Assert.Equal(whole, all);
        double length = Math.Sqrt(whole.Take(7).Sum(value => (double)value * value));
        Assert.Equal(7, few.Length);
        Assert.All(whole.Zip(few), pair => Assert.Equal(pair.First / length, pair.Second, 1e-6));
        Assert.Equal((InferenceError.InvalidArgument, "dimensions"), (refusal.Error, refusal.Field));
        Assert.Contains($"'dimensions' = {whole.Length + 1}. Must be less than or equal to {whole.Length}.", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_inputs_than_the_engine_lets_wait_are_embedded_in_order_and_not_refused()
    {
        await using Node node = Create(options => (options.MaxWaiting, options.MaxSequences) = (8, 4));
        string[] words = ["one", "two", "three", "four", "five"];
        EmbedRequest Request(params IEnumerable<string> texts) => new() { Model = BuiltInModel.Name, Inputs = { texts.Select(text => new EmbedInput { Text = text }) } };
        float[][] expected = await Task.WhenAll(words.Select(async word => (await node.EmbedAsync(Request(word), CancellationToken.None)).Embeddings[0].Values.ToArray()));

        EmbedResponse[] answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(
            start => node.EmbedAsync(Request(Enumerable.Range(start, 40).Select(i => words[i % words.Length])), CancellationToken.None).AsTask()));

        for (int start = 0; start < answers.Length; start++)
        {
            Assert.Equal(40, answers[start].Embeddings.Count);
            for (int i = 0; i < 40; i++)
            {
                Assert.Equal(expected[(start + i) % words.Length], answers[start].Embeddings[i].Values);
            }
        }
    }

    [Fact]
    public async Task A_conversation_can_be_tokenised_without_the_beginning_of_an_answer_and_with_the_tokens_texts()
    {
        await using Node node = Create();
        TokenizeRequest Ask(Action<TokenizeRequest>? change = null)
        {
            var request = new TokenizeRequest { Model = BuiltInModel.Name, Chat = Request().Chat };
            change?.Invoke(request);
            return request;
        }

        TokenizeResponse whole = await node.TokenizeAsync(Ask(), CancellationToken.None);
        TokenizeResponse bare = await node.TokenizeAsync(Ask(request => request.WithoutGenerationPrompt = true), CancellationToken.None);
        TokenizeResponse doubled = await node.TokenizeAsync(Ask(request => request.WithSpecial = true), CancellationToken.None);
        TokenizeResponse shown = await node.TokenizeAsync(Ask(request => request.WithTexts = true), CancellationToken.None);

        Assert.True(bare.TokenIds.Count < whole.TokenIds.Count);
        Assert.Equal(bare.TokenIds, whole.TokenIds.Take(bare.TokenIds.Count));
        Assert.Equal(whole.TokenIds, doubled.TokenIds.Skip(doubled.TokenIds.Count - whole.TokenIds.Count));
        Assert.Empty(whole.Texts);
        Assert.Equal(shown.TokenIds.Count, shown.Texts.Count);
        Assert.All(shown.Texts, text => Assert.NotEmpty(text));
    }

    [Fact]
    public async Task Text_comes_back_from_its_tokens_and_ids_that_are_none_are_refused()
    {
        await using Node node = Create();
        foreach (string text in (string[])["What is HelixFlow?", "  é 漢字 🙂\n\ttab", ""])
        {
            TokenizeResponse tokens = await node.TokenizeAsync(new TokenizeRequest { Model = BuiltInModel.Name, Text = text, WithoutSpecial = true }, CancellationToken.None);
            DetokenizeResponse back = await node.DetokenizeAsync(new DetokenizeRequest { Model = BuiltInModel.Name, TokenIds = { tokens.TokenIds } }, CancellationToken.None);
            Assert.Equal(text, back.Text);
        }

        TokenizeResponse special = await node.TokenizeAsync(new TokenizeRequest { Model = BuiltInModel.Name, Chat = Request().Chat, WithTexts = true }, CancellationToken.None);
        string shown = (await node.DetokenizeAsync(new DetokenizeRequest { Model = BuiltInModel.Name, TokenIds = { special.TokenIds } }, CancellationToken.None)).Text;
        Assert.StartsWith(special.Texts[0], shown, StringComparison.Ordinal);
        foreach (int wrong in (int[])[-1, int.MaxValue])
        {
            var refusal = await Assert.ThrowsAsync<InferenceException>(
                () => node.DetokenizeAsync(new DetokenizeRequest { Model = BuiltInModel.Name, TokenIds = { 1, wrong } }, CancellationToken.None).AsTask());
            Assert.Equal((InferenceError.InvalidArgument, "token_ids[1]"), (refusal.Error, refusal.Field));
        }

        Assert.Equal(InferenceError.ModelNotFound, (await Assert.ThrowsAsync<InferenceException>(
            () => node.DetokenizeAsync(new DetokenizeRequest { Model = "nope" }, CancellationToken.None).AsTask())).Error);
    }

    [Fact]
    public async Task A_watcher_sees_phases_models_and_what_prompts_are_cached_and_is_released_by_the_drain()
    {
        await using Node node = Create();
        var states = new List<NodeState>();
        Task watching = Task.Run(async () =>
        {
            await foreach (NodeState state in node.WatchNodeAsync(new WatchNodeRequest { IntervalMs = 50 }, CancellationToken.None))
            {
                lock (states)
                {
                    states.Add(state);
                }
            }
        });
        await node.LoadAsync(CancellationToken.None);
        GenerateRequest request = Request();
        request.Chat = new ChatPrompt { MessagesJson = $"[{{\"role\":\"user\",\"content\":\"{new string('x', 600)}\"}}]" };
        await RunAsync(node, request);
        ulong[] chain = new ulong[PromptChain.MaxBlocks];
        int blocks = PromptChain.Compute(request, chain);
        await UntilAsync(() => Seen(seen => seen.SelectMany(state => state.Prefixes.Added).Distinct().Count() == blocks));

        await node.DrainAsync(Patience, CancellationToken.None);
        await watching.WaitAsync(Patience);

        Assert.True(blocks > 0);
        Assert.Equal(chain[..blocks], states.SelectMany(state => state.Prefixes.Added).Distinct());
        Assert.True(states[0].Prefixes.Full);
        Assert.Equal(states.Select(state => state.Revision).Order(), states.Select(state => state.Revision));
        Assert.Contains(states, state => state.Phase == NodePhase.Ready && state.Models[0].Phase == ModelPhase.Resident);
        Assert.Equal(NodePhase.Draining, states[^1].Phase);

        Task<bool> Seen(Func<List<NodeState>, bool> holds)
        {
            lock (states)
            {
                return Task.FromResult(holds(states));
            }
        }
    }

    [Fact]
    public async Task A_model_is_loaded_pinned_and_unloaded_on_request()
    {
        await using Node node = Create();

        var progress = new List<LoadProgress>();
        await foreach (LoadProgress next in node.LoadModelAsync(new LoadModelRequest { Model = BuiltInModel.Name }, CancellationToken.None))
        {
            progress.Add(next);
        }

        Assert.Equal((ModelPhase.Resident, 1f), (progress[^1].Phase, progress[^1].Progress));
        await node.PinModelAsync(new PinModelRequest { Model = BuiltInModel.Name, Pinned = true }, CancellationToken.None);
        Assert.True((await StateAsync(node)).Models[0].Pinned);
        await node.UnloadModelAsync(new UnloadModelRequest { Model = BuiltInModel.Name }, CancellationToken.None);
        NodeState state = await StateAsync(node);
        Assert.Equal(ModelPhase.Unloaded, state.Models[0].Phase);
        Assert.Equal(0u, state.Devices[0].UsedBytes);
        Assert.Equal(InferenceError.ModelNotFound, (await Assert.ThrowsAsync<InferenceException>(
            () => node.PinModelAsync(new PinModelRequest { Model = "absent" }, CancellationToken.None).AsTask())).Error);
    }

    private static Node Create(Action<NodeOptions>? change = null)
    {
        var options = new NodeOptions { Models = [new ModelSource(BuiltInModel.Name, BuiltInModel.Folder)], Threads = 1, MaxSequences = 8, KvBytes = 16 << 20 };
        change?.Invoke(options);
        return new Node(options, TimeProvider.System, NullLoggerFactory.Instance);
    }

    private static GenerateRequest Request(string model = BuiltInModel.Name, uint maxTokens = 8) => new()
    {
        RequestId = "r",
        Model = model,
        Chat = new ChatPrompt { MessagesJson = """[{"role":"user","content":"Tell me about the sea."}]""" },
        MaxTokens = maxTokens,
        IgnoreEos = true,
        Project = "p",
    };

    private static string Text(IEnumerable<GenerateEvent> events, uint choice) =>
        string.Concat(events.Where(next => next.Token?.Choice == choice).Select(next => next.Token.Text));

    private static (uint, uint) Usage(List<GenerateEvent> events) => (events[^1].Usage.PromptTokens, events[^1].Usage.CompletionTokens);

    private static async Task<NodeState> StateAsync(Node node) => await node.GetStateAsync(new GetStateRequest(), CancellationToken.None);

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (!await holds())
        {
            await Task.Delay(1, patience.Token);
        }
    }

    private static async Task<List<GenerateEvent>> RunAsync(Node node, GenerateRequest request)
    {
        var events = new List<GenerateEvent>();
        await foreach (GenerateEvent next in node.GenerateAsync(request, CancellationToken.None))
        {
            events.Add(next);
        }

        return events;
    }
}
