using System.CommandLine;
using HelixFlow.Benchmarks;

return await new RootCommand("What docs/benchmarks.md needs besides `helixflow bench`: models to measure with, the peer's rates, and what routing costs.")
{
    WriteModelCommand.Create(),
    PeerCommand.Create(),
    RoutingCommand.Create(),
}.Parse(args).InvokeAsync();
