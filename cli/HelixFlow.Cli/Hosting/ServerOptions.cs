using HelixFlow.Cli.Store;

namespace HelixFlow.Cli.Hosting;

/// <summary>What <c>helixflow serve</c> was asked for; the command has validated it.</summary>
internal sealed record ServerOptions
{
    public required string Host { get; init; }

    public required int Port { get; init; }

    public required string DataFolder { get; init; }

    public required IReadOnlyList<ModelLocation> Models { get; init; }

    public int Threads { get; init; }

    public int MaxSequences { get; init; }

    public int MaxWaiting { get; init; }

    public long KvBytes { get; init; }
}
