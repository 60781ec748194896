using System.Globalization;
using System.Runtime.CompilerServices;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Benchmarks.Cluster;

/// <summary>A pool without an engine: emits tokens at a pace, or as fast as they are taken. The text of a token is the time when it was emitted.</summary>
/// <remarks>
/// Thread-safe. As an engine's steps do, a tick gives every stream its next token at once; who lags gets what is due without waiting, with the
/// time when it was due.
/// </remarks>
internal sealed class PacedPool(TimeSpan interval) : IInferencePool, IAsyncDisposable
{
    /// <summary>The model that emits a token per tick.</summary>
    public const string Paced = "paced";

    /// <summary>The model that does not wait.</summary>
    public const string Instant = "instant";

    private readonly TickClock _clock = new(interval);

    public async IAsyncEnumerable<GenerateEvent> GenerateAsync(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return new GenerateEvent { Prompt = new PromptReady { PromptTokens = 1, NodeId = "paced" } };
        bool waits = request.Model == Paced;
        long tick = _clock.Latest;
        for (uint i = 0; i < request.MaxTokens; i++)
        {
            long emitted = TimeProvider.System.GetTimestamp();
            if (waits && i > 0)
            {
                emitted = await _clock.AfterAsync(++tick, cancellationToken).ConfigureAwait(false);
            }
            else if (i % 64 == 63)
            {
                await Task.Yield(); // an endless run of ready events would keep one thread, and starve cancellation
                cancellationToken.ThrowIfCancellationRequested();
            }

            var token = new TokenChunk { Text = emitted.ToString(CultureInfo.InvariantCulture) };
            if (request.WithTokenIds)
            {
                token.TokenIds.Add((int)i);
            }

            yield return new GenerateEvent { Token = token };
        }

        yield return new GenerateEvent { Finish = new Finish { Reason = FinishReason.Length, GeneratedTokens = request.MaxTokens } };
        yield return new GenerateEvent { Usage = new Usage { PromptTokens = 1, CompletionTokens = request.MaxTokens } };
    }

    public async IAsyncEnumerable<NodeState> WatchNodeAsync(WatchNodeRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            yield return await GetStateAsync(new GetStateRequest(), cancellationToken).ConfigureAwait(false);
            await Task.Delay(TimeSpan.FromMilliseconds(Math.Max(request.IntervalMs, 50)), cancellationToken).ConfigureAwait(false);
        }
    }

    public ValueTask<NodeState> GetStateAsync(GetStateRequest request, CancellationToken cancellationToken)
    {
        var state = new NodeState { NodeId = "paced", Phase = NodePhase.Ready, StartedMs = 1 };
        foreach (string model in (ReadOnlySpan<string>)[Paced, Instant])
        {
            state.Models.Add(new ModelState
            {
                Name = model,
                Phase = ModelPhase.Resident,
                MaxSequences = 512,
                KvBlocksTotal = 100_000,
                Description = new ModelDescription { Name = model },
            });
        }

        return ValueTask.FromResult(state);
    }

    public ValueTask DisposeAsync() => _clock.DisposeAsync();

    public ValueTask<ListModelsResponse> ListModelsAsync(ListModelsRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<EmbedResponse> EmbedAsync(EmbedRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<TokenizeResponse> TokenizeAsync(TokenizeRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<DetokenizeResponse> DetokenizeAsync(DetokenizeRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<CountTokensResponse> CountTokensAsync(CountTokensRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public IAsyncEnumerable<LoadProgress> LoadModelAsync(LoadModelRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<UnloadModelResponse> UnloadModelAsync(UnloadModelRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<PinModelResponse> PinModelAsync(PinModelRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public IAsyncEnumerable<DrainProgress> DrainAsync(DrainRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();
}
