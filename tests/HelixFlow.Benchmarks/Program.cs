using System.CommandLine;
using HelixFlow.Benchmarks;
using HelixFlow.Benchmarks.Rpc;

return await new RootCommand("What docs/benchmarks.md needs besides `helixflow bench`: models to measure with, the peers' rates, and what routing costs.")
{
    WriteModelCommand.Create(),
    PeerCommand.Create(),
    RoutingCommand.Create(),
    GrpcCommand.Create(),
    BenchServer.Create(),
    BenchClient.Create(),
}.Parse(args).InvokeAsync();
