using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Schemas;

/// <summary>
/// The inference service as its callers see it: the messages of <c>helixflow/inference/v1/inference.proto</c> over any transport.
/// </summary>
/// <remarks>Thread-safe. Failures that a caller can act on are <see cref="InferenceException"/>.</remarks>
public interface IInferencePool
{
    /// <summary>
    /// Starts a generation and streams its events: <see cref="PromptReady"/>, then tokens, one <see cref="Finish"/> per choice, then
    /// <see cref="Usage"/>. Cancelling <paramref name="cancellationToken"/> or disposing the enumerator ends the generation at the engine's next step.
    /// </summary>
    /// <exception cref="InferenceException">Before the first event: the request was refused.</exception>
    IAsyncEnumerable<GenerateEvent> GenerateAsync(GenerateRequest request, CancellationToken cancellationToken);

    /// <summary>The models that can be asked for now, in the order they were configured.</summary>
    ValueTask<ListModelsResponse> ListModelsAsync(ListModelsRequest request, CancellationToken cancellationToken);

    /// <summary>Queue, batch and KV-cache occupancy, summed over the pool.</summary>
    ValueTask<NodeLoad> GetLoadAsync(GetLoadRequest request, CancellationToken cancellationToken);
}
