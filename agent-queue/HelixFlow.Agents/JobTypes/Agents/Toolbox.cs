using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.JobTypes.Agents.Mcp;
using HelixFlow.Agents.JobTypes.Agents.OpenApi;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Agents;

/// <summary>The tools of one attempt at a job.</summary>
/// <remarks>Used by one attempt; its members may be used by several calls at once.</remarks>
internal sealed class Toolbox : IAsyncDisposable
{
    private const int MostTools = 128;
    private const int LongestName = 64;

    private readonly Dictionary<string, BoundTool> _tools = new(StringComparer.Ordinal);
    private readonly List<IAsyncDisposable> _sessions = [];

    /// <summary>A tool, and its schema to check arguments with.</summary>
    internal sealed record BoundTool(ITool Tool, ValueSchema Schema);

    /// <summary>As models are told of them; null when there are none.</summary>
    public IReadOnlyList<ModelTool>? ForModel => _tools.Count == 0 ? null
        : [.. _tools.Values.Select(static bound => bound.Tool.Description).Select(static tool => new ModelTool(tool.Name, tool.Description, tool.Parameters))];

    /// <summary>Names of the tools, as people read them.</summary>
    public string Names => _tools.Count == 0 ? "none" : string.Join(", ", _tools.Keys);

    /// <summary>Gets all that an input names.</summary>
    /// <exception cref="JobFailedException">One of them cannot be had.</exception>
    public static async Task<Toolbox> OpenAsync(Run run, AgentInput input, ToolHost host, CancellationToken cancellationToken)
    {
        var toolbox = new Toolbox();
        try
        {
            for (int i = 0; i < input.Tools.Count; i++)
            {
                await toolbox.AddAsync(run, $"tools/{i + 1}", input, input.Tools[i], host, cancellationToken).ConfigureAwait(false);
            }

            return toolbox;
        }
        catch
        {
            await toolbox.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The tool of a name; null when there is none.</summary>
    public BoundTool? Find(string name) => _tools.GetValueOrDefault(name);

    public async ValueTask DisposeAsync()
    {
        foreach (IAsyncDisposable session in _sessions)
        {
            await session.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task AddAsync(Run run, string address, AgentInput input, ToolInput source, ToolHost host, CancellationToken cancellationToken)
    {
        switch (source.Type)
        {
            case "builtin" when source.Name is { } name && BuiltinTools.Names.Contains(name):
                Add(BuiltinTools.Of(name, input.Documents, host));
                break;
            case "builtin":
                throw new JobFailedException("unknown_tool", $"There is no built-in tool '{source.Name}'. There are: {string.Join(", ", BuiltinTools.Names)}.");
            case "openapi":
                foreach (ITool tool in OpenApiTools.Of(source, host, run.Record.Project))
                {
                    Add(tool);
                }

                break;
            case "mcp":
                McpTarget target = McpTools.TargetOf(source, host, run.Record.Project);
                var session = new McpSession(target, source, host);
                _sessions.Add(session);
                foreach (ToolDescription tool in await run.StepAsync(
                    address, McpTools.Lister(session), $"{target.Name} {string.Join(',', source.Only ?? [])}", cancellationToken).ConfigureAwait(false))
                {
                    Add(new McpTool(tool, session));
                }

                break;
            default:
                throw new JobFailedException("unknown_tool", $"There are no tools of the type '{source.Type}'.");
        }

    }

    private void Add(ITool tool)
    {
        ToolDescription description = tool.Description;
        if (description.Name.Length is 0 or > LongestName || !description.Name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'))
        {
            throw new JobFailedException("invalid_tool", $"'{description.Name}' will not do as a tool's name: it must be 1 to {LongestName} letters, digits, '_' and '-'.");
        }

        if (!_tools.TryAdd(description.Name, new BoundTool(tool, ValueSchema.ParseKnown(description.Parameters))))
        {
            throw new JobFailedException("duplicate_tool", $"Two tools are called '{description.Name}'. Give one source another 'name', or name in 'only' what you need.");
        }

        if (_tools.Count > MostTools)
        {
            throw new JobFailedException("too_many_tools", $"An agent may have {MostTools} tools at most. Name in 'only' what it needs.");
        }
    }
}
