using System.Text;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.InferenceNode.Tests;

/// <summary>A node with the built-in model, asked the way the gateway asks.</summary>
public sealed class NodeTests : IAsyncLifetime
{
    private const string Model = "helix-tiny";

    private readonly Node _node = new(new NodeOptions { Models = [new ModelSource(Model, FindModel())], Threads = 1, MaxSequences = 8 }, TimeProvider.System, NullLoggerFactory.Instance);

    public async ValueTask InitializeAsync() => await _node.LoadAsync(CancellationToken.None);

    public ValueTask DisposeAsync() => _node.DisposeAsync();

    [Fact]
    public async Task Events_come_in_the_contracts_order()
    {
        List<GenerateEvent> events = await RunAsync(Chat("Hello", request => request.N = 2));

        Assert.NotNull(events[0].Prompt);
        Assert.NotNull(events[^1].Usage);
        Assert.Equal(events[0].Prompt.PromptTokens, events[^1].Usage.PromptTokens);
        foreach (uint choice in (uint[])[0, 1])
        {
            Assert.Single(events, next => next.Finish?.Choice == choice);
            int finish = events.FindIndex(next => next.Finish?.Choice == choice);
            Assert.DoesNotContain(events[finish..], next => next.Token?.Choice == choice);
            Assert.NotEmpty(Text(events, choice));
        }
    }

    [Fact]
    public async Task An_answer_goes_on_inside_a_call_and_tools_are_part_of_the_prompt()
    {
        const string tools = """[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}}}}}]""";
        Engine.Tokenization.Tokenizer tokenizer = Engine.Tokenization.Tokenizer.FromHuggingFace(FindModel());
        int[] begun = tokenizer.Encode("<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"", addSpecial: false, parseSpecial: false);

        List<GenerateEvent> events = await RunAsync(Chat("Hello", request =>
        {
            request.Chat.ToolsJson = tools;
            request.MaxTokens = (uint)begun.Length + 1;
            request.IgnoreEos = true;
            request.Resume.Add(new ResumedChoice { TokenIds = { begun } });
        }));

        ToolCallDelta piece = Assert.Single(events.Where(next => next.Token is not null).SelectMany(next => next.Token.ToolCalls));
        Assert.Equal((0u, ""), (piece.Index, piece.Name));
        Assert.Equal("", Text(events, 0));
        uint plain = (await RunAsync(Chat("Hello", request => request.MaxTokens = 1)))[0].Prompt.PromptTokens;
        Assert.True(events[0].Prompt.PromptTokens > plain + 50);
    }

    [Theory]
    [InlineData("")]
    [InlineData("g")]
    public async Task A_call_that_must_be_made_is_made(string name)
    {
        const string tools = """
            [{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"enum":["x","y"]}},"required":["a"],"additionalProperties":false}}},
             {"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{"n":{"type":"integer","minimum":3,"maximum":5}},"required":["n"],"additionalProperties":false}}}]
            """;
        for (int seed = 0; seed < 4; seed++)
        {
            List<GenerateEvent> events = await RunAsync(Chat("Hello", request =>
            {
                request.Chat.ToolsJson = tools;
                request.Chat.ForcedTool = name;
                request.Chat.SingleToolCall = true;
                request.Sampling = new SamplingParameters { Temperature = 2, Seed = seed };
                request.MaxTokens = 100;
            }));

            List<ToolCallDelta> calls = [.. events.Where(next => next.Token is not null).SelectMany(next => next.Token.ToolCalls)];
            Assert.Equal("", Text(events, 0));
            Assert.Equal(FinishReason.Stop, Assert.Single(events, next => next.Finish is not null).Finish.Reason);
            string called = Assert.Single(calls, call => call.Name.Length > 0).Name;
            Assert.Contains(called, name.Length > 0 ? [name] : (string[])["f", "g"]);
            Assert.Contains(string.Concat(calls.Select(call => call.Arguments)).Replace(" ", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal), called == "f" ? ["{\"a\":\"x\"}", "{\"a\":\"y\"}"] : (string[])["{\"n\":3}", "{\"n\":4}", "{\"n\":5}"]);
        }
    }

    [Fact]
    public async Task A_strict_tool_with_a_schema_that_cannot_be_guaranteed_is_refused_by_name()
    {
        InferenceException refusal = await Assert.ThrowsAsync<InferenceException>(() => RunAsync(Chat("Hello", request =>
        {
            request.Chat.ToolsJson = """
                [{"type":"function","function":{"name":"f"}},
                 {"type":"function","function":{"name":"g","strict":true,"parameters":{"type":"object","properties":{"n":{"type":"array","uniqueItems":true}}}}}]
                """;
            request.Chat.ForcedTool = "";
        })));

        Assert.Equal((InferenceError.InvalidArgument, "tools[1].function.parameters"), (refusal.Error, refusal.Field));
        Assert.StartsWith("Invalid schema for function 'g': ", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("uniqueItems", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Usage_tells_how_much_of_a_prompt_was_cached()
    {
        string question = string.Concat(Enumerable.Repeat("What is HelixFlow made of? ", 12));
        Usage first = (await RunAsync(Chat(question, request => request.MaxTokens = 2)))[^1].Usage;
        Usage second = (await RunAsync(Chat(question, request => request.MaxTokens = 2)))[^1].Usage;

        Assert.Equal(0u, first.CachedTokens);
        Assert.InRange(second.CachedTokens, second.PromptTokens - 16, second.PromptTokens - 1); // whole blocks, but not the last token
    }

    [Fact]
    public async Task Text_ends_before_a_stop_text_and_the_choice_says_stop()
    {
        string whole = Text(await RunAsync(Chat("What is HelixFlow?")), 0);

        List<GenerateEvent> stopped = await RunAsync(Chat("What is HelixFlow?", request => request.Stop.Add("serving large")));

        Assert.Equal(whole[..whole.IndexOf("serving large", StringComparison.Ordinal)], Text(stopped, 0));
        Assert.Equal(FinishReason.Stop, stopped.Single(next => next.Finish is not null).Finish.Reason);
    }

    [Fact]
    public async Task Tokens_carry_text_bytes_and_probabilities_when_asked_for()
    {
        List<GenerateEvent> events = await RunAsync(Chat("Hello", request =>
        {
            request.TopLogprobs = 2;
            request.MaxTokens = 3;
        }));

        TokenLogprob[] tokens = [.. events.Where(next => next.Token is not null).SelectMany(next => next.Token.Tokens)];
        Assert.Equal(3, tokens.Length);
        Assert.Equal(Text(events, 0), Encoding.UTF8.GetString([.. tokens.SelectMany(token => token.Bytes.ToByteArray())]));
        Assert.All(tokens, token => Assert.Equal(token.Id, token.Top[0].Id));
        Assert.All(tokens, token => Assert.True(token.Top[0].Logprob >= token.Top[1].Logprob));
        Assert.Equal(FinishReason.Length, events.Single(next => next.Finish is not null).Finish.Reason);
    }

    [Fact]
    public async Task A_caller_that_leaves_frees_its_blocks()
    {
        await foreach (GenerateEvent next in _node.GenerateAsync(Chat("Hello", request => request.IgnoreEos = true), CancellationToken.None))
        {
            if (next.Token is not null)
            {
                break;
            }
        }

        using var guard = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        while (await HeldAsync() > 0)
        {
            await Task.Delay(5, guard.Token);
        }
    }

    [Fact]
    public async Task A_request_whose_time_is_up_never_looks_finished()
    {
        // The engine tells of the end and the time limit does, both at once: many tries, since it depends on who is first.
        for (int attempt = 0; attempt < 40; attempt++)
        {
            var events = new List<GenerateEvent>();
            var ended = await Assert.ThrowsAsync<InferenceException>(async () =>
            {
                await foreach (GenerateEvent next in _node.GenerateAsync(Chat("Hello", request => (request.IgnoreEos, request.TimeoutMs) = (true, 20)), CancellationToken.None))
                {
                    events.Add(next);
                }
            });

            Assert.Equal(InferenceError.DeadlineExceeded, ended.Error);
            Assert.DoesNotContain(events, next => next.Finish is not null || next.Usage is not null);
        }
    }

    [Fact]
    public async Task The_last_state_that_a_watcher_gets_tells_of_the_drain()
    {
        await using IAsyncEnumerator<NodeState> states = _node.WatchNodeAsync(new WatchNodeRequest(), CancellationToken.None).GetAsyncEnumerator();
        Assert.True(await states.MoveNextAsync());
        Assert.Equal(NodePhase.Ready, states.Current.Phase);

        await _node.DrainAsync(TimeSpan.FromMinutes(5), CancellationToken.None);

        Assert.True(await states.MoveNextAsync());
        Assert.Equal(NodePhase.Draining, states.Current.Phase);
        while (await states.MoveNextAsync())
        {
            Assert.Equal(NodePhase.Draining, states.Current.Phase);
        }
    }

    [Fact]
    public async Task A_max_tokens_that_may_be_lowered_ends_with_the_context_instead_of_being_refused()
    {
        uint context = (await _node.ListModelsAsync(new ListModelsRequest(), CancellationToken.None)).Models[0].ContextLength;

        List<GenerateEvent> events = await RunAsync(Chat(string.Concat(Enumerable.Repeat("word ", 400)), request =>
        {
            request.MaxTokens = uint.MaxValue;
            request.FitMaxTokens = true;
            request.IgnoreEos = true;
        }));

        Finish end = events.Single(next => next.Finish is not null).Finish;
        Assert.Equal((FinishReason.Length, context - events[0].Prompt.PromptTokens), (end.Reason, end.GeneratedTokens));
        List<GenerateEvent> brief = await RunAsync(Chat("Hello", request =>
        {
            request.MaxTokens = 3;
            request.FitMaxTokens = true;
            request.IgnoreEos = true;
        }));
        Assert.Equal(3u, brief.Single(next => next.Finish is not null).Finish.GeneratedTokens);
        Assert.Equal(InferenceError.ContextLengthExceeded, await RefusalAsync(new GenerateRequest { Model = Model, Text = new string('x', 20_000), MaxTokens = 1, FitMaxTokens = true }));
    }

    [Fact]
    public async Task The_stop_text_that_ends_an_answer_is_told()
    {
        List<GenerateEvent> events = await RunAsync(Chat("What is HelixFlow?", request =>
        {
            request.Sampling = new SamplingParameters { Temperature = 0 };
            request.Stop.AddRange(["never that", "HelixFlow"]);
        }));
        List<GenerateEvent> free = await RunAsync(Chat("What is HelixFlow?", request => request.Sampling = new SamplingParameters { Temperature = 0 }));

        Assert.Equal((FinishReason.Stop, "HelixFlow"), (events.Single(next => next.Finish is not null).Finish.Reason, events.Single(next => next.Finish is not null).Finish.StopText));
        Assert.Equal("", free.Single(next => next.Finish is not null).Finish.StopText);
    }

    [Fact]
    public async Task Models_are_described_from_their_files()
    {
        ModelDescription model = (await _node.ListModelsAsync(new ListModelsRequest(), CancellationToken.None)).Models[0];

        Assert.Equal((ulong)Directory.EnumerateFiles(FindModel()).Sum(path => new FileInfo(path).Length), model.SizeBytes);
        Assert.Equal(("safetensors", true, false), (model.FileFormat, model.Chat, model.Reasoning));
        Assert.True(model.EmbeddingSize > 0 && model.BlockCount > 0);
        EmbedResponse vector = await _node.EmbedAsync(new EmbedRequest { Model = Model, Inputs = { new EmbedInput { Text = "x" } } }, CancellationToken.None);
        Assert.Equal(vector.Embeddings[0].Values.Count, (int)model.EmbeddingSize);
    }

    [Fact]
    public async Task Refusals_name_their_reason()
    {
        Assert.Equal(InferenceError.ModelNotFound, await RefusalAsync(new GenerateRequest { Model = "other", Text = "x" }));
        Assert.Equal(InferenceError.InvalidArgument, await RefusalAsync(new GenerateRequest { Model = Model }));
        Assert.Equal(InferenceError.InvalidArgument, await RefusalAsync(new GenerateRequest { Model = Model, Tokens = new TokenIds { Ids = { 999_999 } } }));
        Assert.Equal(InferenceError.InvalidArgument, await RefusalAsync(new GenerateRequest { Model = Model, Tokens = new TokenIds() }));
        Assert.Equal(InferenceError.ContextLengthExceeded, await RefusalAsync(new GenerateRequest { Model = Model, Text = new string('x', 20_000) }));
        Assert.Equal(InferenceError.ContextLengthExceeded, await RefusalAsync(new GenerateRequest { Model = Model, Text = "x", MaxTokens = 5000 }));
        await _node.DrainAsync(TimeSpan.FromMinutes(5), CancellationToken.None);
        Assert.False(_node.IsReady);
        Assert.Equal(InferenceError.Unavailable, await RefusalAsync(new GenerateRequest { Model = Model, Text = "x" }));
    }

    private static GenerateRequest Chat(string content, Action<GenerateRequest>? change = null)
    {
        var request = new GenerateRequest
        {
            RequestId = "test",
            Model = Model,
            Chat = new ChatPrompt { MessagesJson = $$"""[{"role":"user","content":"{{content}}"}]""" },
        };
        change?.Invoke(request);
        return request;
    }

    private static string Text(List<GenerateEvent> events, uint choice) =>
        string.Concat(events.Where(next => next.Token?.Choice == choice).Select(next => next.Token.Text));

    internal static string FindModel()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "HelixFlow.sln")))
        {
            folder = folder.Parent;
        }

        return Path.Combine(folder!.FullName, "models", Model);
    }

    private async Task<List<GenerateEvent>> RunAsync(GenerateRequest request)
    {
        var events = new List<GenerateEvent>();
        await foreach (GenerateEvent next in _node.GenerateAsync(request, CancellationToken.None))
        {
            events.Add(next);
        }

        return events;
    }

    private async Task<uint> HeldAsync() => (await _node.GetStateAsync(new GetStateRequest(), CancellationToken.None)).Models[0].KvBlocksHeld;

    private async Task<InferenceError> RefusalAsync(GenerateRequest request) =>
        (await Assert.ThrowsAsync<InferenceException>(() => RunAsync(request))).Error;
}
