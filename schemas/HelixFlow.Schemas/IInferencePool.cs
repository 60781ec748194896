using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Schemas;

/// <summary>
/// The service <c>helixflow.inference.v1.InferencePool</c> over any transport: a node in this process, a node behind gRPC, or a router over many.
/// </summary>
/// <remarks>
/// Thread-safe. Failures that a caller can act on are <see cref="InferenceException"/>. Messages that are passed in or handed out must not be
/// changed afterwards.
/// </remarks>
public interface IInferencePool
{
    /// <summary>
    /// Starts a generation and streams its events: <see cref="Waiting"/> while it is held, <see cref="PromptReady"/>, then tokens, one
    /// <see cref="Finish"/> per choice, then <see cref="Usage"/>. Cancelling <paramref name="cancellationToken"/> or disposing the enumerator ends
    /// the generation at the engine's next step.
    /// </summary>
    /// <exception cref="InferenceException">Before <see cref="PromptReady"/>: the request was refused. Later: the node cannot finish it.</exception>
    IAsyncEnumerable<GenerateEvent> GenerateAsync(GenerateRequest request, CancellationToken cancellationToken);

    /// <summary>Turns prompts into vectors.</summary>
    ValueTask<EmbedResponse> EmbedAsync(EmbedRequest request, CancellationToken cancellationToken);

    /// <summary>A prompt's token ids.</summary>
    ValueTask<TokenizeResponse> TokenizeAsync(TokenizeRequest request, CancellationToken cancellationToken);

    /// <summary>The text of token ids.</summary>
    ValueTask<DetokenizeResponse> DetokenizeAsync(DetokenizeRequest request, CancellationToken cancellationToken);

    /// <summary>A prompt's number of tokens.</summary>
    ValueTask<CountTokensResponse> CountTokensAsync(CountTokensRequest request, CancellationToken cancellationToken);

    /// <summary>Loads a model, or joins the load under way; ends when it is resident.</summary>
    IAsyncEnumerable<LoadProgress> LoadModelAsync(LoadModelRequest request, CancellationToken cancellationToken);

    /// <summary>Unloads a model once it is idle.</summary>
    ValueTask<UnloadModelResponse> UnloadModelAsync(UnloadModelRequest request, CancellationToken cancellationToken);

    /// <summary>Pins or unpins a model and sets its replicas.</summary>
    ValueTask<PinModelResponse> PinModelAsync(PinModelRequest request, CancellationToken cancellationToken);

    /// <summary>The models that can be asked for, in the order they were configured.</summary>
    ValueTask<ListModelsResponse> ListModelsAsync(ListModelsRequest request, CancellationToken cancellationToken);

    /// <summary>What the node, or the pool as a whole, does at this moment.</summary>
    ValueTask<NodeState> GetStateAsync(GetStateRequest request, CancellationToken cancellationToken);

    /// <summary>The node's states as they change; ends only with <paramref name="cancellationToken"/> or the node.</summary>
    IAsyncEnumerable<NodeState> WatchNodeAsync(WatchNodeRequest request, CancellationToken cancellationToken);

    /// <summary>Takes no new requests and waits for those that run; ends when none is left.</summary>
    IAsyncEnumerable<DrainProgress> DrainAsync(DrainRequest request, CancellationToken cancellationToken);
}
