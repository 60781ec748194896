using System.CommandLine;
using HelixFlow.Benchmarks;
using HelixFlow.Benchmarks.Agents;
using HelixFlow.Benchmarks.Cluster;
using HelixFlow.Benchmarks.Dispatch;
using HelixFlow.Benchmarks.Embedding;
using HelixFlow.Benchmarks.Grammar;
using HelixFlow.Benchmarks.Rpc;
using HelixFlow.Benchmarks.Search;
using HelixFlow.Benchmarks.Serving;
using HelixFlow.Benchmarks.Tokenization;
using HelixFlow.Benchmarks.Speculation;

return await new RootCommand("What docs/benchmarks*.md need besides `helixflow bench`: models to measure with, what routing, gateway and transport cost, and simulated clusters.")
{
    WriteModelCommand.Create(),
    KernelsCommand.Create(),
    AttentionCommand.Create(),
    DispatchCommand.Create(),
    SamplerTiming.Create(),
    Neighbours.CreateCommand(),
    RoutingCommand.Create(),
    SpeculationCommand.Create(),
    GrpcCommand.Create(),
    BenchServer.Create(),
    BenchClient.Create(),
    ClusterRoutingCommand.Create(),
    OverheadCommand.Create(),
    PacedHost.Create(),
    SimulateCommand.Create(),
    InterleaveCommand.Create(),
    ServeRateCommand.Create(),
    TokenizerCommand.Create(),
    GrammarCommand.Create(),
    AgentsCommand.Create(),
    EmbedCommand.Create(),
    VectorSearchCommand.Create(),
}.Parse(args).InvokeAsync();
