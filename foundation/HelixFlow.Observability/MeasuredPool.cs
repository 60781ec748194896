using System.Runtime.CompilerServices;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Observability;

/// <summary>Measures the generations and embeddings of another pool as its caller sees them; everything else passes through. Thread-safe.</summary>
public sealed class MeasuredPool(IInferencePool inner, RequestMetrics metrics, TimeProvider time) : IInferencePool
{
    /// <inheritdoc/>
    public async IAsyncEnumerable<GenerateEvent> GenerateAsync(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long arrived = time.GetTimestamp();
        ModelRequests? model = null;
        long first = 0;
        long[]? latest = null;
        var finished = new HashSet<uint>();
        try
        {
            await foreach (GenerateEvent next in inner.GenerateAsync(request, cancellationToken).WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                switch (next.EventCase)
                {
                    case GenerateEvent.EventOneofCase.Prompt:
                        model = metrics.Of(request.Model);
                        latest = new long[Math.Max(1, request.N)];
                        model.PromptTokens.Record(next.Prompt.PromptTokens);
                        model.Choices.Record(latest.Length);
                        if (request.HasMaxTokens)
                        {
                            model.MaxTokens.Record(request.MaxTokens);
                        }

                        break;
                    case GenerateEvent.EventOneofCase.Token when model is not null && next.Token.Choice < latest!.Length:
                        long now = time.GetTimestamp();
                        ref long before = ref latest[next.Token.Choice];
                        if (before != 0)
                        {
                            model.InterToken.Record(time.GetElapsedTime(before, now).TotalSeconds);
                        }
                        else if (first == 0)
                        {
                            model.FirstToken.Record(time.GetElapsedTime(arrived, now).TotalSeconds);
                            first = now;
                        }

                        before = now;
                        break;
                    case GenerateEvent.EventOneofCase.Finish:
                        model?.Finish(next.Finish.Reason);
                        finished.Add(next.Finish.Choice);
                        break;
                    case GenerateEvent.EventOneofCase.Usage when model is not null:
                        RecordEnd(model, next.Usage, arrived, first);
                        break;
                }

                yield return next;
            }
        }
        finally
        {
            for (int choice = finished.Count; choice < (latest?.Length ?? 0); choice++)
            {
                model!.Finish(cancellationToken.IsCancellationRequested ? FinishReason.Cancelled : FinishReason.Error);
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask<EmbedResponse> EmbedAsync(EmbedRequest request, CancellationToken cancellationToken)
    {
        long arrived = time.GetTimestamp();
        EmbedResponse response = await inner.EmbedAsync(request, cancellationToken).ConfigureAwait(false);
        metrics.Of(request.Model).Embedded(request.Inputs.Count, response.PromptTokens, time.GetElapsedTime(arrived));
        return response;
    }

    /// <inheritdoc/>
    public ValueTask<TokenizeResponse> TokenizeAsync(TokenizeRequest request, CancellationToken cancellationToken) => inner.TokenizeAsync(request, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<DetokenizeResponse> DetokenizeAsync(DetokenizeRequest request, CancellationToken cancellationToken) => inner.DetokenizeAsync(request, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<CountTokensResponse> CountTokensAsync(CountTokensRequest request, CancellationToken cancellationToken) => inner.CountTokensAsync(request, cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<LoadProgress> LoadModelAsync(LoadModelRequest request, CancellationToken cancellationToken) => inner.LoadModelAsync(request, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<UnloadModelResponse> UnloadModelAsync(UnloadModelRequest request, CancellationToken cancellationToken) => inner.UnloadModelAsync(request, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<PinModelResponse> PinModelAsync(PinModelRequest request, CancellationToken cancellationToken) => inner.PinModelAsync(request, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<ListModelsResponse> ListModelsAsync(ListModelsRequest request, CancellationToken cancellationToken) => inner.ListModelsAsync(request, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<NodeState> GetStateAsync(GetStateRequest request, CancellationToken cancellationToken) => inner.GetStateAsync(request, cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<NodeState> WatchNodeAsync(WatchNodeRequest request, CancellationToken cancellationToken) => inner.WatchNodeAsync(request, cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<DrainProgress> DrainAsync(DrainRequest request, CancellationToken cancellationToken) => inner.DrainAsync(request, cancellationToken);

    private void RecordEnd(ModelRequests model, Usage usage, long arrived, long first)
    {
        long now = time.GetTimestamp();
        model.EndToEnd.Record(time.GetElapsedTime(arrived, now).TotalSeconds);
        model.GeneratedTokens.Record(usage.CompletionTokens);
        if (first != 0 && usage.CompletionTokens > 1)
        {
            model.PerToken.Record(time.GetElapsedTime(first, now).TotalSeconds / (usage.CompletionTokens - 1));
        }
    }
}
