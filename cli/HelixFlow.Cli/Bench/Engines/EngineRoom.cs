namespace HelixFlow.Cli.Bench.Engines;

/// <summary>What an engine is given room for before it is measured.</summary>
/// <param name="Sequences">The most sequences that decode together.</param>
/// <param name="Length">The most tokens of each, prompt and output together.</param>
/// <param name="Threads">Worker threads.</param>
internal sealed record EngineRoom(int Sequences, int Length, int Threads);
