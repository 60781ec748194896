using Grpc.Core;
using HelixFlow.Bench.V1;

namespace HelixFlow.Benchmarks.Rpc;

/// <summary>The benchmark's service, as a handler of a product would be written.</summary>
internal sealed class BenchService : Bench.V1.Bench.BenchBase
{
    public override Task<TokenEvent> Echo(TokenEvent request, ServerCallContext context) => Task.FromResult(request);

    public override async Task Tokens(TokensRequest request, IServerStreamWriter<TokenEvent> responseStream, ServerCallContext context)
    {
        for (long sequence = 0; !context.CancellationToken.IsCancellationRequested; sequence++)
        {
            var token = new TokenEvent { Sequence = sequence, Token = (int)(sequence % 32000), LogProbability = -0.25f, Text = request.Text };
            await responseStream.WriteAsync(token).ConfigureAwait(false);
        }
    }
}
