using System.Runtime.CompilerServices;
using Grpc.Core;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Schemas.Transport;

/// <summary>An inference node or pool at the other end of a gRPC channel. Thread-safe.</summary>
/// <remarks>
/// Failures are <see cref="InferenceException"/>s, those of the connection among them: <see cref="InferenceError.Unavailable"/>. The caller's own
/// cancellation is an <see cref="OperationCanceledException"/>.
/// </remarks>
public sealed class GrpcInferencePool(CallInvoker invoker) : IInferencePool
{
    private readonly InferencePool.InferencePoolClient _client = new(invoker);

    /// <inheritdoc/>
    public IAsyncEnumerable<GenerateEvent> GenerateAsync(GenerateRequest request, CancellationToken cancellationToken) =>
        ReadAsync(_client.Generate(request, cancellationToken: cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<EmbedResponse> EmbedAsync(EmbedRequest request, CancellationToken cancellationToken) =>
        AnswerAsync(_client.EmbedAsync(request, cancellationToken: cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<TokenizeResponse> TokenizeAsync(TokenizeRequest request, CancellationToken cancellationToken) =>
        AnswerAsync(_client.TokenizeAsync(request, cancellationToken: cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<DetokenizeResponse> DetokenizeAsync(DetokenizeRequest request, CancellationToken cancellationToken) =>
        AnswerAsync(_client.DetokenizeAsync(request, cancellationToken: cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<CountTokensResponse> CountTokensAsync(CountTokensRequest request, CancellationToken cancellationToken) =>
        AnswerAsync(_client.CountTokensAsync(request, cancellationToken: cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<LoadProgress> LoadModelAsync(LoadModelRequest request, CancellationToken cancellationToken) =>
        ReadAsync(_client.LoadModel(request, cancellationToken: cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<UnloadModelResponse> UnloadModelAsync(UnloadModelRequest request, CancellationToken cancellationToken) =>
        AnswerAsync(_client.UnloadModelAsync(request, cancellationToken: cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<PinModelResponse> PinModelAsync(PinModelRequest request, CancellationToken cancellationToken) =>
        AnswerAsync(_client.PinModelAsync(request, cancellationToken: cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<ListModelsResponse> ListModelsAsync(ListModelsRequest request, CancellationToken cancellationToken) =>
        AnswerAsync(_client.ListModelsAsync(request, cancellationToken: cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<NodeState> GetStateAsync(GetStateRequest request, CancellationToken cancellationToken) =>
        AnswerAsync(_client.GetStateAsync(request, cancellationToken: cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<NodeState> WatchNodeAsync(WatchNodeRequest request, CancellationToken cancellationToken) =>
        ReadAsync(_client.WatchNode(request, cancellationToken: cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<DrainProgress> DrainAsync(DrainRequest request, CancellationToken cancellationToken) =>
        ReadAsync(_client.Drain(request, cancellationToken: cancellationToken), cancellationToken);

    private static async ValueTask<T> AnswerAsync<T>(AsyncUnaryCall<T> call, CancellationToken cancellationToken)
    {
        using (call)
        {
            try
            {
                return await call.ConfigureAwait(false);
            }
            catch (RpcException exception)
            {
                throw Failure(exception, cancellationToken);
            }
        }
    }

    private static async IAsyncEnumerable<T> ReadAsync<T>(AsyncServerStreamingCall<T> call, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using (call)
        {
            IAsyncStreamReader<T> events = call.ResponseStream;
            while (true)
            {
                bool more;
                try
                {
                    // The call itself is cancelled by the token: the read need not watch it once more.
                    more = await events.MoveNext(CancellationToken.None).ConfigureAwait(false);
                }
                catch (RpcException exception)
                {
                    throw Failure(exception, cancellationToken);
                }

                if (!more)
                {
                    yield break;
                }

                yield return events.Current;
            }
        }
    }

    private static Exception Failure(RpcException exception, CancellationToken cancellationToken) =>
        cancellationToken.IsCancellationRequested ? new OperationCanceledException(exception.Message, exception, cancellationToken) : InferenceStatus.FromRpc(exception);
}
