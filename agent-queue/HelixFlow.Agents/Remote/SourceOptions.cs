namespace HelixFlow.Agents.Remote;

/// <summary>What workers in other processes are told of a server's configuration, besides its searches.</summary>
public sealed record SourceOptions
{
    /// <summary>The digest of the rules for the tools of agents, as <see cref="JobTypes.Agents.Tools.ToolOptions.Digest"/> gives it; empty for none.</summary>
    public string ToolsDigest { get; init; } = "";
}
