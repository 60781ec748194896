using System.CommandLine;
using HelixFlow.Benchmarks;
using HelixFlow.Benchmarks.Cluster;

return await new RootCommand("What docs/benchmarks*.md need besides `helixflow bench`: models to measure with, the peer's rates, and what routing, gateway and transport cost.")
{
    WriteModelCommand.Create(),
    PeerCommand.Create(),
    RoutingCommand.Create(),
    ClusterRoutingCommand.Create(),
    OverheadCommand.Create(),
    PacedHost.Create(),
}.Parse(args).InvokeAsync();
