using System.CommandLine;
using HelixFlow.Benchmarks;
using HelixFlow.Benchmarks.Cluster;
using HelixFlow.Benchmarks.Rpc;

return await new RootCommand("What docs/benchmarks*.md need besides `helixflow bench`: models to measure with, the peers' rates, what routing, gateway and transport cost, and simulated clusters.")
{
    WriteModelCommand.Create(),
    KernelsCommand.Create(),
    PeerCommand.Create(),
    RoutingCommand.Create(),
    GrpcCommand.Create(),
    BenchServer.Create(),
    BenchClient.Create(),
    ClusterRoutingCommand.Create(),
    OverheadCommand.Create(),
    PacedHost.Create(),
    SimulateCommand.Create(),
}.Parse(args).InvokeAsync();
