using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Agents.Mcp;

/// <summary>The tools of MCP servers: those that the operator has named, commands among them, or any that are reached over HTTP.</summary>
internal static class McpTools
{
    /// <summary>The server that an input means.</summary>
    /// <exception cref="JobFailedException">There is none of the name for the project, its address is none, or a secret must not be sent to it.</exception>
    public static McpTarget TargetOf(ToolInput source, ToolHost host, string project)
    {
        if (source.Server is not { } name)
        {
            Uri address = Address(source.Url, "The source of tools needs the operator's name of an MCP server, or its url.");
            return new McpTarget(address.Authority, null, [], address, source.Auth is { } auth ? ToolSecrets.Of(host, auth.Secret, address, project) : null);
        }

        if (host.Options.Mcp.GetValueOrDefault(name) is not { } server || (server.Projects.Count > 0 && !server.Projects.Contains(project)))
        {
            throw new JobFailedException("unknown_mcp_server", $"There is no MCP server '{name}' for this project. The operator names them; others can be given by their url.");
        }

        if (server.Command is { Count: > 0 } command)
        {
            return new McpTarget(name, command, server.Environment, null, null);
        }

        Uri given = Address(server.Url, $"The operator has given the MCP server '{name}' neither a command nor an address.");
        return new McpTarget(name, null, [], given, server.Secret is { } secret ? ToolSecrets.Of(host, secret, given, project) : null);
    }

    /// <summary>Asks a server for its tools, as a step: the run keeps to what they were when it began.</summary>
    public static StepExecutor<string, IReadOnlyList<ToolDescription>> Lister(McpSession session) => new(
        "mcp-tools", 1, EffectClass.Recorded, AgentJson.Default.String, AgentJson.Default.IReadOnlyListToolDescription, (_, _, token) => session.ListAsync(token));

    private static Uri Address(string? text, string problem) =>
        Uri.TryCreate(text, UriKind.Absolute, out Uri? address) && address is { Scheme: "http" or "https", UserInfo: "" } ? address : throw new JobFailedException("invalid_mcp_server", problem);
}

/// <summary>A tool of an MCP server.</summary>
internal sealed class McpTool(ToolDescription description, McpSession session) : ITool
{
    public ToolDescription Description => description;

    public Task<ToolResult> CallAsync(JsonElement arguments, StepContext context, CancellationToken cancellationToken) =>
        session.CallAsync(description.Identity[(description.Identity.IndexOf(' ', StringComparison.Ordinal) + 1)..], description.Effect, arguments, context, cancellationToken);
}
