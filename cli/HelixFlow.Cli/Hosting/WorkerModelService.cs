using Grpc.Core;
using HelixFlow.Agents.Remote;
using HelixFlow.Observability;
using HelixFlow.Schemas.Inference.V1;
using HelixFlow.Schemas.Transport;

namespace HelixFlow.Cli.Hosting;

/// <summary>The gateway's models to workers in other processes: what jobs ask them is counted to the jobs' projects, as in the gateway's own process.</summary>
/// <remarks>Loading, pinning and draining are not theirs to do: those methods stay unimplemented.</remarks>
internal sealed class WorkerModelService(MeasuredPool pool, WorkerGuard guard) : InferencePool.InferencePoolBase
{
    private readonly InferencePoolService _service = new(pool);

    public override async Task Generate(GenerateRequest request, IServerStreamWriter<GenerateEvent> responseStream, ServerCallContext context)
    {
        (await guard.CheckAsync(context)).Require(request.Project);
        await _service.Generate(request, responseStream, context);
    }

    public override async Task<EmbedResponse> Embed(EmbedRequest request, ServerCallContext context)
    {
        await guard.CheckAsync(context);
        return await _service.Embed(request, context);
    }

    public override async Task<CountTokensResponse> CountTokens(CountTokensRequest request, ServerCallContext context)
    {
        await guard.CheckAsync(context);
        return await _service.CountTokens(request, context);
    }

    public override async Task<ListModelsResponse> ListModels(ListModelsRequest request, ServerCallContext context)
    {
        await guard.CheckAsync(context);
        return await _service.ListModels(request, context);
    }
}
