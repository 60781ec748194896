using System.CommandLine;
using HelixFlow.Benchmarks;

return await new RootCommand("What docs/benchmarks.md needs besides `helixflow bench`: models to measure with, the peer's rates, what routing costs, and simulated clusters.")
{
    WriteModelCommand.Create(),
    PeerCommand.Create(),
    RoutingCommand.Create(),
    SimulateCommand.Create(),
}.Parse(args).InvokeAsync();
