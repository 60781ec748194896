using Grpc.Core;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Schemas.Transport;

/// <summary>Offers an <see cref="IInferencePool"/> over gRPC. Thread-safe.</summary>
public sealed class InferencePoolService(IInferencePool pool) : InferencePool.InferencePoolBase
{
    private static readonly WriteOptions Buffered = new(WriteFlags.BufferHint);

    public override Task Generate(GenerateRequest request, IServerStreamWriter<GenerateEvent> responseStream, ServerCallContext context) =>
        CopyAsync(pool.GenerateAsync(request, context.CancellationToken), responseStream);

    public override Task<EmbedResponse> Embed(EmbedRequest request, ServerCallContext context) => AnswerAsync(pool.EmbedAsync(request, context.CancellationToken));

    public override Task<TokenizeResponse> Tokenize(TokenizeRequest request, ServerCallContext context) =>
        AnswerAsync(pool.TokenizeAsync(request, context.CancellationToken));

    public override Task<DetokenizeResponse> Detokenize(DetokenizeRequest request, ServerCallContext context) =>
        AnswerAsync(pool.DetokenizeAsync(request, context.CancellationToken));

    public override Task<CountTokensResponse> CountTokens(CountTokensRequest request, ServerCallContext context) =>
        AnswerAsync(pool.CountTokensAsync(request, context.CancellationToken));

    public override Task LoadModel(LoadModelRequest request, IServerStreamWriter<LoadProgress> responseStream, ServerCallContext context) =>
        CopyAsync(pool.LoadModelAsync(request, context.CancellationToken), responseStream);

    public override Task<UnloadModelResponse> UnloadModel(UnloadModelRequest request, ServerCallContext context) =>
        AnswerAsync(pool.UnloadModelAsync(request, context.CancellationToken));

    public override Task<PinModelResponse> PinModel(PinModelRequest request, ServerCallContext context) =>
        AnswerAsync(pool.PinModelAsync(request, context.CancellationToken));

    public override Task<ListModelsResponse> ListModels(ListModelsRequest request, ServerCallContext context) =>
        AnswerAsync(pool.ListModelsAsync(request, context.CancellationToken));

    public override Task<NodeState> GetState(GetStateRequest request, ServerCallContext context) => AnswerAsync(pool.GetStateAsync(request, context.CancellationToken));

    public override Task WatchNode(WatchNodeRequest request, IServerStreamWriter<NodeState> responseStream, ServerCallContext context) =>
        CopyAsync(pool.WatchNodeAsync(request, context.CancellationToken), responseStream);

    public override Task Drain(DrainRequest request, IServerStreamWriter<DrainProgress> responseStream, ServerCallContext context) =>
        CopyAsync(pool.DrainAsync(request, context.CancellationToken), responseStream);

    private static async Task<T> AnswerAsync<T>(ValueTask<T> answer)
    {
        try
        {
            return await answer.ConfigureAwait(false);
        }
        catch (InferenceException exception)
        {
            throw InferenceStatus.ToRpc(exception);
        }
    }

    /// <summary>Sends events as they come; those that are ready together go out together.</summary>
    private static async Task CopyAsync<T>(IAsyncEnumerable<T> events, IServerStreamWriter<T> output)
    {
        try
        {
            await using IAsyncEnumerator<T> source = events.GetAsyncEnumerator();
            bool more = await source.MoveNextAsync().ConfigureAwait(false);
            while (more)
            {
                T current = source.Current;
                ValueTask<bool> next = source.MoveNextAsync();
                if (next.IsCompletedSuccessfully)
                {
                    more = next.Result;
                    output.WriteOptions = more ? Buffered : null;
                    await output.WriteAsync(current).ConfigureAwait(false);
                }
                else
                {
                    // The source must come to rest before it is disposed, whatever the client did meanwhile.
                    output.WriteOptions = null;
                    try
                    {
                        await output.WriteAsync(current).ConfigureAwait(false);
                    }
                    catch
                    {
                        await ((Task)next.AsTask()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                        throw;
                    }

                    more = await next.ConfigureAwait(false);
                }
            }
        }
        catch (InferenceException exception)
        {
            throw InferenceStatus.ToRpc(exception);
        }
    }
}
