using System.CommandLine;
using HelixFlow.Benchmarks;

return await new RootCommand("What docs/benchmarks.md needs besides `helixflow bench`: models to measure with, and the peer's rates.")
{
    WriteModelCommand.Create(),
    PeerCommand.Create(),
}.Parse(args).InvokeAsync();
