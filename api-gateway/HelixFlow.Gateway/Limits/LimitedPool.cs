using System.Runtime.CompilerServices;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Limits;

/// <summary>
/// A pool whose generations and embeddings count against the tokens per minute of the request's project; all else passes through. Thread-safe.
/// </summary>
/// <remarks>
/// Tokens are set aside before the work begins, as far as they can be known: the prompt's length and the most that may be generated. When it
/// has ended, what was really used takes their place. Work that no request waits for is not limited.
/// </remarks>
internal sealed class LimitedPool(IInferencePool inner) : IInferencePool
{
    // Characters per token of common text, as clients estimate it too.
    private const double CharactersPerToken = 4;

    // What a request is taken to generate that does not say how much it may.
    private const double UsualAnswer = 16;

    public async IAsyncEnumerable<GenerateEvent> GenerateAsync(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (RateLimits.Current is not { } limits)
        {
            await foreach (GenerateEvent next in inner.GenerateAsync(request, cancellationToken).WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                yield return next;
            }

            yield break;
        }

        double reserved = limits.ReserveTokens(Estimate(request));
        double used = 0;
        try
        {
            await foreach (GenerateEvent next in inner.GenerateAsync(request, cancellationToken).WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                used = next.EventCase switch
                {
                    GenerateEvent.EventOneofCase.Prompt => next.Prompt.PromptTokens,
                    GenerateEvent.EventOneofCase.Finish => used + next.Finish.GeneratedTokens,
                    GenerateEvent.EventOneofCase.Usage => next.Usage.PromptTokens + (double)next.Usage.CompletionTokens,
                    _ => used,
                };
                yield return next;
            }
        }
        finally
        {
            limits.Settle(reserved, used);
        }
    }

    public async ValueTask<EmbedResponse> EmbedAsync(EmbedRequest request, CancellationToken cancellationToken)
    {
        if (RateLimits.Current is not { } limits)
        {
            return await inner.EmbedAsync(request, cancellationToken).ConfigureAwait(false);
        }

        double reserved = limits.ReserveTokens(request.Inputs.Sum(static input =>
            input.InputCase == EmbedInput.InputOneofCase.Tokens ? input.Tokens.Ids.Count : Math.Ceiling(input.Text.Length / CharactersPerToken)));
        double used = 0;
        try
        {
            EmbedResponse response = await inner.EmbedAsync(request, cancellationToken).ConfigureAwait(false);
            used = response.PromptTokens;
            return response;
        }
        finally
        {
            limits.Settle(reserved, used);
        }
    }

    public ValueTask<TokenizeResponse> TokenizeAsync(TokenizeRequest request, CancellationToken cancellationToken) => inner.TokenizeAsync(request, cancellationToken);

    public ValueTask<DetokenizeResponse> DetokenizeAsync(DetokenizeRequest request, CancellationToken cancellationToken) => inner.DetokenizeAsync(request, cancellationToken);

    public ValueTask<CountTokensResponse> CountTokensAsync(CountTokensRequest request, CancellationToken cancellationToken) => inner.CountTokensAsync(request, cancellationToken);

    public IAsyncEnumerable<LoadProgress> LoadModelAsync(LoadModelRequest request, CancellationToken cancellationToken) => inner.LoadModelAsync(request, cancellationToken);

    public ValueTask<UnloadModelResponse> UnloadModelAsync(UnloadModelRequest request, CancellationToken cancellationToken) => inner.UnloadModelAsync(request, cancellationToken);

    public ValueTask<PinModelResponse> PinModelAsync(PinModelRequest request, CancellationToken cancellationToken) => inner.PinModelAsync(request, cancellationToken);

    public ValueTask<ListModelsResponse> ListModelsAsync(ListModelsRequest request, CancellationToken cancellationToken) => inner.ListModelsAsync(request, cancellationToken);

    public ValueTask<NodeState> GetStateAsync(GetStateRequest request, CancellationToken cancellationToken) => inner.GetStateAsync(request, cancellationToken);

    public IAsyncEnumerable<NodeState> WatchNodeAsync(WatchNodeRequest request, CancellationToken cancellationToken) => inner.WatchNodeAsync(request, cancellationToken);

    public IAsyncEnumerable<DrainProgress> DrainAsync(DrainRequest request, CancellationToken cancellationToken) => inner.DrainAsync(request, cancellationToken);

    private static double Estimate(GenerateRequest request)
    {
        double prompt = request.PromptCase switch
        {
            GenerateRequest.PromptOneofCase.Text => Math.Ceiling(request.Text.Length / CharactersPerToken),
            GenerateRequest.PromptOneofCase.Tokens => request.Tokens.Ids.Count,
            GenerateRequest.PromptOneofCase.Chat => Math.Ceiling((request.Chat.MessagesJson.Length + (double)request.Chat.ToolsJson.Length) / CharactersPerToken),
            _ => 0,
        };
        return Math.Max(1, prompt + (Math.Max(1, request.N) * (request.HasMaxTokens ? request.MaxTokens : UsualAnswer)));
    }
}
