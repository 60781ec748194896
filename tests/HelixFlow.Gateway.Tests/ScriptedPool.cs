using System.Runtime.CompilerServices;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests;

/// <summary>An inference service that does what a test says.</summary>
internal sealed class ScriptedPool : IInferencePool
{
    /// <summary>What the next generation does; the default answers "Hello world" in two tokens for every choice.</summary>
    public Func<GenerateRequest, CancellationToken, IAsyncEnumerable<GenerateEvent>> Script { get; set; } = Answer;

    /// <summary>What it answers when vectors are asked for.</summary>
    public Func<EmbedRequest, CancellationToken, ValueTask<EmbedResponse>> Embeds { get; set; } = (_, _) => throw new NotSupportedException();

    public Func<TokenizeRequest, TokenizeResponse> Tokenizes { get; set; } = _ => throw new NotSupportedException();

    public Func<DetokenizeRequest, DetokenizeResponse> Detokenizes { get; set; } = _ => throw new NotSupportedException();

    public Func<CountTokensRequest, CountTokensResponse> Counts { get; set; } = _ => throw new NotSupportedException();

    /// <summary>The models that are served.</summary>
    public IReadOnlyList<ModelDescription> Models { get; set; } = [new ModelDescription { Name = "org/model", Created = 5, ContextLength = 64, Chat = true }];

    /// <summary>What the pool does at this moment.</summary>
    public NodeState State { get; set; } =
        new() { Models = { new ModelState { Name = "m", KvBlocksTotal = 9, KvBlocksHeld = 2, Running = 1, ProposedTokensTotal = 7, AcceptedTokensTotal = 5 } } };

    /// <summary>The models that were loaded and unloaded, in order, the latter with a minus before their names.</summary>
    public List<string> Loads { get; } = [];

    /// <summary>What its models were made for, unless they say so themselves.</summary>
    public ModelKind Kind { get; set; } = ModelKind.Generate;

    /// <summary>The latest request.</summary>
    public GenerateRequest? Request { get; private set; }

    /// <summary>Completes when a generation's token is cancelled or its enumerator is disposed early.</summary>
    public TaskCompletionSource Left { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IAsyncEnumerable<GenerateEvent> GenerateAsync(GenerateRequest request, CancellationToken cancellationToken)
    {
        Request = request;
        return Script(request, cancellationToken);
    }

    public ValueTask<ListModelsResponse> ListModelsAsync(ListModelsRequest request, CancellationToken cancellationToken) =>
        ValueTask.FromResult(new ListModelsResponse
        {
            Models = { Models.Select(model => model.Kind == ModelKind.Unspecified ? new ModelDescription(model) { Kind = Kind } : model) },
        });

    public ValueTask<NodeState> GetStateAsync(GetStateRequest request, CancellationToken cancellationToken) => ValueTask.FromResult(State);

    public ValueTask<EmbedResponse> EmbedAsync(EmbedRequest request, CancellationToken cancellationToken) => Embeds(request, cancellationToken);

    public ValueTask<TokenizeResponse> TokenizeAsync(TokenizeRequest request, CancellationToken cancellationToken) => ValueTask.FromResult(Tokenizes(request));

    public ValueTask<DetokenizeResponse> DetokenizeAsync(DetokenizeRequest request, CancellationToken cancellationToken) => ValueTask.FromResult(Detokenizes(request));

    public ValueTask<CountTokensResponse> CountTokensAsync(CountTokensRequest request, CancellationToken cancellationToken) => ValueTask.FromResult(Counts(request));

    public IAsyncEnumerable<LoadProgress> LoadModelAsync(LoadModelRequest request, CancellationToken cancellationToken)
    {
        Loads.Add(request.Model);
        return new[] { new LoadProgress { Phase = ModelPhase.Loading }, new LoadProgress { Phase = ModelPhase.Resident, Progress = 1 } }.ToAsyncEnumerable();
    }

    public ValueTask<UnloadModelResponse> UnloadModelAsync(UnloadModelRequest request, CancellationToken cancellationToken)
    {
        Loads.Add("-" + request.Model);
        return ValueTask.FromResult(new UnloadModelResponse());
    }

    public ValueTask<PinModelResponse> PinModelAsync(PinModelRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public IAsyncEnumerable<NodeState> WatchNodeAsync(WatchNodeRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public IAsyncEnumerable<DrainProgress> DrainAsync(DrainRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public static GenerateEvent Token(string text, uint choice = 0) => new() { Token = new TokenChunk { Choice = choice, Text = text } };

    public static GenerateEvent Prompt(uint tokens = 3) => new() { Prompt = new PromptReady { PromptTokens = tokens } };

    public static GenerateEvent Finish(FinishReason reason = FinishReason.Stop, uint choice = 0) => new() { Finish = new Finish { Choice = choice, Reason = reason } };

    /// <summary>Begins an answer, then waits until the caller has gone.</summary>
    public async IAsyncEnumerable<GenerateEvent> Hang(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return Prompt();
        yield return Token("Begin");
        try
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }
        finally
        {
            Left.TrySetResult();
        }
    }

    private static async IAsyncEnumerable<GenerateEvent> Answer(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return Prompt();
        await Task.Yield();
        uint choices = Math.Max(1, request.N);
        foreach (string text in (string[])["Hello", " world"])
        {
            for (uint choice = 0; choice < choices; choice++)
            {
                GenerateEvent token = Token(text, choice);
                if (request.HasTopLogprobs)
                {
                    token.Token.Tokens.Add(new TokenLogprob { Id = 1, Text = text, Bytes = Google.Protobuf.ByteString.CopyFromUtf8(text), Logprob = -0.5f });
                }

                yield return token;
            }
        }

        for (uint choice = 0; choice < choices; choice++)
        {
            yield return Finish(choice: choice);
        }

        yield return new GenerateEvent { Usage = new Usage { PromptTokens = 3, CompletionTokens = 2 * choices, CachedTokens = 1 } };
    }
}
