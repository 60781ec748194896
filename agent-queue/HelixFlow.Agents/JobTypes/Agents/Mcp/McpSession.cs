using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes.Agents.OpenApi;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Runs;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace HelixFlow.Agents.JobTypes.Agents.Mcp;

/// <summary>The connection of one attempt at a job to an MCP server, opened when it is first needed.</summary>
/// <remarks>Calls may be made at the same time.</remarks>
internal sealed class McpSession(McpTarget target, ToolInput source, ToolHost host) : IAsyncDisposable
{
    private const int LongestDescription = 1000;

    private static readonly TimeSpan _stopLimit = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _opening = new(1, 1);
    private McpClient? _client;

    /// <summary>The server's tools, as far as the job wants them.</summary>
    public async Task<IReadOnlyList<ToolDescription>> ListAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = Limit(cancellationToken);
        McpClient client = await ClientAsync(limit.Token).ConfigureAwait(false);
        IList<McpClientTool> tools = await client.ListToolsAsync(cancellationToken: limit.Token).ConfigureAwait(false);
        return [.. tools.Where(tool => source.Only is null || source.Only.Contains(tool.Name)).OrderBy(static tool => tool.Name, StringComparer.Ordinal).Select(Describe)];
    }

    /// <summary>Calls a tool by the name that the server gives it.</summary>
    /// <exception cref="ToolOutcomeUnknownException">The call was sent, must not be repeated, and was not answered.</exception>
    public async Task<ToolResult> CallAsync(string name, EffectClass effect, JsonElement arguments, StepContext context, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = Limit(cancellationToken);
        McpClient client;
        try
        {
            client = await ClientAsync(limit.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            return ToolResult.Error($"The MCP server {target.Name} cannot be reached{(Refusal(exception) is { } reason ? $": {reason}" : ".")}"); // so nothing was called
        }

        try
        {
            var request = new CallToolRequestParams
            {
                Name = name,
                Arguments = arguments.EnumerateObject().ToDictionary(static argument => argument.Name, static argument => argument.Value),
                Meta = new JsonObject { ["helixflow/idempotency-key"] = context.Key },
            };
            CallToolResult result = await client.CallToolAsync(request, limit.Token).ConfigureAwait(false);
            return new ToolResult(ToolSecrets.Redact(TextOf(result), target.Secret), result.IsError ?? false);
        }
        catch (McpProtocolException exception)
        {
            return ToolResult.Error(ToolSecrets.Redact(exception.Message, target.Secret)); // the server's own answer
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            string reason = exception is OperationCanceledException ? $"it took longer than {host.Options.CallTimeoutMs} ms" : "the connection broke";
            return effect != EffectClass.Unsafe ? ToolResult.Error($"The MCP server {target.Name} has not answered: {reason}.") : throw new ToolOutcomeUnknownException(
                $"The tool '{name}' of the MCP server {target.Name} was called and has not answered: {reason}. Nobody knows whether the call took place.", exception);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_client is { } client)
        {
            await client.DisposeAsync().ConfigureAwait(false);
        }

        _opening.Dispose();
    }

    private ToolDescription Describe(McpClientTool tool)
    {
        ToolAnnotations? hints = tool.ProtocolTool.Annotations;
        EffectClass effect = hints?.ReadOnlyHint == true ? EffectClass.Recorded
            : hints?.IdempotentHint == true || source.Idempotent.Contains(tool.Name) ? EffectClass.Idempotent
            : EffectClass.Unsafe;
        string description = string.IsNullOrWhiteSpace(tool.Description) ? tool.Title ?? tool.Name : tool.Description;
        return new ToolDescription(
            OpenApiTool.NameOf(source.Name, tool.Name), Results.Cut(description, LongestDescription), tool.JsonSchema, effect, $"{target.Name} {tool.Name}")
        {
            IsDestructive = hints?.ReadOnlyHint != true && hints?.DestructiveHint != false, // destructive unless the server says otherwise, as the protocol has it
        };
    }

    private async Task<McpClient> ClientAsync(CancellationToken cancellationToken)
    {
        await _opening.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return _client ??= await McpClient.CreateAsync(Transport(), null, null, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _opening.Release();
        }
    }

    private IClientTransport Transport()
    {
        if (target.Command is { } command)
        {
            Dictionary<string, string?> variables = StdioClientTransportOptions.GetDefaultEnvironmentVariables();
            foreach (string name in target.Environment)
            {
                variables[name] = host.Variable(name);
            }

            return new StdioClientTransport(new StdioClientTransportOptions
            {
                Name = target.Name, Command = command[0], Arguments = [.. command.Skip(1)], InheritEnvironmentVariables = false, EnvironmentVariables = variables, ShutdownTimeout = _stopLimit,
            });
        }

        var options = new HttpClientTransportOptions
        {
            Name = target.Name,
            Endpoint = target.Address!,
            TransportMode = HttpTransportMode.StreamableHttp,
            EnableStandaloneGetStream = false, // nothing that a server says of itself is waited for
            MaxReconnectionAttempts = 1,
            AdditionalHeaders = target.Secret is null ? null : new Dictionary<string, string> { [source.Auth?.Header ?? "Authorization"] = Credentials(target.Secret) },
        };
        return new HttpClientTransport(options, host.NewHttpClient(), null, ownsHttpClient: true);
    }

    private string Credentials(string secret) => source.Auth is { Scheme: "" } ? secret : $"{source.Auth?.Scheme ?? "Bearer"} {secret}";

    private CancellationTokenSource Limit(CancellationToken cancellationToken)
    {
        var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(host.Options.CallTimeoutMs);
        return limit;
    }

    private static string TextOf(CallToolResult result)
    {
        var text = new StringBuilder();
        foreach (ContentBlock block in result.Content)
        {
            text.Append(text.Length == 0 ? "" : "\n").Append(block switch
            {
                TextContentBlock plain => plain.Text,
                EmbeddedResourceBlock { Resource: TextResourceContents resource } => resource.Text,
                ResourceLinkBlock link => $"{link.Name}: {link.Uri}",
                _ => $"({block.Type})",
            });
        }

        return text.Length > 0 ? text.ToString() : result.StructuredContent is { } value ? value.GetRawText() : "(no content)";
    }

    private static string? Refusal(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            if (exception is FetchException refusal)
            {
                return refusal.Message;
            }
        }

        return null;
    }
}

/// <summary>An MCP server, as a job may use it.</summary>
/// <param name="Name">For people: the operator's name, or the address's host.</param>
/// <param name="Command">What is started; null for a server that is reached over HTTP.</param>
/// <param name="Environment">Variables that the command gets.</param>
/// <param name="Address">Where it listens.</param>
/// <param name="Secret">What is sent to it; null for nothing.</param>
internal sealed record McpTarget(string Name, IReadOnlyList<string>? Command, IReadOnlyList<string> Environment, Uri? Address, string? Secret);
