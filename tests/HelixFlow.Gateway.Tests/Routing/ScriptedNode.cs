using System.Runtime.CompilerServices;
using System.Threading.Channels;
using HelixFlow.Discovery;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Routing;

/// <summary>A node that says and does what a test tells it to.</summary>
internal sealed class ScriptedNode : IInferencePool
{
    private readonly Lock _lock = new();
    private readonly List<ChannelWriter<NodeState>> _watchers = [];
    private NodeState _state;

    public ScriptedNode(string id, params string[] models)
    {
        Id = id;
        _state = new NodeState { NodeId = id, Phase = NodePhase.Ready, StartedMs = 1 };
        _state.Models.AddRange(models.Select(model => new ModelState
        {
            Name = model,
            Phase = ModelPhase.Resident,
            MaxSequences = 2,
            KvBlocksTotal = 100,
            Description = new ModelDescription { Name = model },
        }));
        Script = (request, token) => Count(request, 4, token);
    }

    public string Id { get; }

    /// <summary>What a generation does; the default counts to four.</summary>
    public Func<GenerateRequest, CancellationToken, IAsyncEnumerable<GenerateEvent>> Script { get; set; }

    /// <summary>The requests so far.</summary>
    public List<GenerateRequest> Requests { get; } = [];

    /// <summary>Completes when the first request has come.</summary>
    public TaskCompletionSource Asked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Whether watching it fails as if it were not there.</summary>
    public bool IsGone { get; private set; }

    /// <summary>As if its process had been stopped: connections stay, nothing is reported.</summary>
    public bool IsFrozen { get; set; }

    /// <summary>Tokens t0, t1, …, those of a resumed choice left out, then the end; token ids are the numbers.</summary>
    public static async IAsyncEnumerable<GenerateEvent> Count(GenerateRequest request, int to, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return ScriptedPool.Prompt();
        IEnumerable<(uint Choice, int From)> choices = request.Resume.Count > 0
            ? request.Resume.Select(resumed => (resumed.Choice, resumed.TokenIds.Count))
            : Enumerable.Range(0, (int)Math.Max(1, request.N)).Select(choice => ((uint)choice, 0));
        uint total = 0;
        foreach ((uint choice, int from) in choices)
        {
            for (int i = from; i < to; i++)
            {
                await Task.Yield();
                cancellationToken.ThrowIfCancellationRequested();
                yield return Token(choice, i);
            }

            total += (uint)to;
            yield return new GenerateEvent { Finish = new Finish { Choice = choice, Reason = FinishReason.Length, GeneratedTokens = (uint)to } };
        }

        yield return new GenerateEvent { Usage = new Usage { PromptTokens = 3, CompletionTokens = total } };
    }

    public static GenerateEvent Token(uint choice, int number) => new() { Token = new TokenChunk { Choice = choice, Text = $"t{number} ", TokenIds = { number } } };

    /// <summary>Changes the state and tells the watchers.</summary>
    public void Report(Action<NodeState> change)
    {
        lock (_lock)
        {
            _state = _state.Clone();
            _state.Revision++;
            change(_state);
            _watchers.ForEach(watcher => watcher.TryWrite(_state));
        }
    }

    /// <summary>As if its process had been killed: reports end with an error. Streams are the script's business.</summary>
    public void Vanish()
    {
        lock (_lock)
        {
            IsGone = true;
            _watchers.ForEach(watcher => watcher.TryComplete(new InferenceException(InferenceError.Unavailable, "connection refused")));
            _watchers.Clear();
        }
    }

    /// <summary>As if it had drained: reports come to their proper end. Streams are the script's business.</summary>
    public void EndReports()
    {
        lock (_lock)
        {
            IsGone = true;
            _watchers.ForEach(watcher => watcher.TryComplete());
            _watchers.Clear();
        }
    }

    public void Return()
    {
        lock (_lock)
        {
            IsGone = false;
        }
    }

    public IAsyncEnumerable<GenerateEvent> GenerateAsync(GenerateRequest request, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Requests.Add(request);
        }

        Asked.TrySetResult();
        return Script(request, cancellationToken);
    }

    public async IAsyncEnumerable<NodeState> WatchNodeAsync(WatchNodeRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var states = Channel.CreateUnbounded<NodeState>(); // bounded by the test
        lock (_lock)
        {
            if (IsGone)
            {
                throw new InferenceException(InferenceError.Unavailable, "connection refused");
            }

            if (!IsFrozen)
            {
                states.Writer.TryWrite(_state);
            }

            _watchers.Add(states.Writer);
        }

        await foreach (NodeState state in states.Reader.ReadAllAsync(cancellationToken))
        {
            yield return state;
        }
    }

    public ValueTask<NodeState> GetStateAsync(GetStateRequest request, CancellationToken cancellationToken) => ValueTask.FromResult(_state);

    public ValueTask<ListModelsResponse> ListModelsAsync(ListModelsRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>What it answers when vectors are asked for; the default is one value of 1 per input.</summary>
    public Func<EmbedRequest, CancellationToken, ValueTask<EmbedResponse>> Embeds { get; set; } = (request, _) =>
        ValueTask.FromResult(new EmbedResponse { Embeddings = { request.Inputs.Select(_ => new Embedding { Values = { 1 } }) }, PromptTokens = (uint)request.Inputs.Count });

    public ValueTask<EmbedResponse> EmbedAsync(EmbedRequest request, CancellationToken cancellationToken) => Embeds(request, cancellationToken);

    public ValueTask<TokenizeResponse> TokenizeAsync(TokenizeRequest request, CancellationToken cancellationToken) =>
        IsGone ? throw new InferenceException(InferenceError.Unavailable, "connection refused") : ValueTask.FromResult(new TokenizeResponse { TokenIds = { 1, 2 } });

    public ValueTask<DetokenizeResponse> DetokenizeAsync(DetokenizeRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<CountTokensResponse> CountTokensAsync(CountTokensRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public IAsyncEnumerable<LoadProgress> LoadModelAsync(LoadModelRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<UnloadModelResponse> UnloadModelAsync(UnloadModelRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<PinModelResponse> PinModelAsync(PinModelRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public IAsyncEnumerable<DrainProgress> DrainAsync(DrainRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();
}

/// <summary>Names the nodes that a test gives it.</summary>
internal sealed class ScriptedDiscovery : INodeDiscovery
{
    private readonly Channel<IReadOnlyList<NodeAddress>> _sets = Channel.CreateUnbounded<IReadOnlyList<NodeAddress>>(); // bounded by the test

    public void Name(params IEnumerable<ScriptedNode> nodes) => Name([.. nodes.Select(node => new NodeAddress(node.Id, new Uri($"http://{node.Id}")))]);

    public void Name(params NodeAddress[] nodes) => _sets.Writer.TryWrite(nodes);

    public IAsyncEnumerable<IReadOnlyList<NodeAddress>> WatchAsync(CancellationToken cancellationToken) => _sets.Reader.ReadAllAsync(cancellationToken);
}
