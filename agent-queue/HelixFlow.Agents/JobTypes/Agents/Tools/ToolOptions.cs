using System.Text.Json;
using System.Text.Json.Serialization;
using HelixFlow.Agents.Values;

namespace HelixFlow.Agents.JobTypes.Agents.Tools;

/// <summary>What the operator allows agents, and what nobody but the operator may say: read from a file of JSON at start.</summary>
public sealed record ToolOptions
{
    /// <summary>Hosts and networks that tools may reach although they are not public, as <see cref="Fetching.AddressRules.Parse"/> has them. Default: none.</summary>
    public IReadOnlyList<string> Allowed { get; set; } = [];

    /// <summary>Ports of public addresses that tools may reach; none for no public address. Default: 80 and 443.</summary>
    public IReadOnlyList<int> Ports { get; set; } = [80, 443];

    /// <summary>Secrets by the names that inputs refer to. Their values come from environment variables, and go to no other server than they are meant for.</summary>
    public IReadOnlyDictionary<string, ToolSecret> Secrets { get; set; } = new Dictionary<string, ToolSecret>();

    /// <summary>MCP servers by the names that inputs refer to.</summary>
    public IReadOnlyDictionary<string, McpServer> Mcp { get; set; } = new Dictionary<string, McpServer>();

    /// <summary>Prices by model, in any one currency; for jobs that name none themselves.</summary>
    public IReadOnlyDictionary<string, ModelPrice> Prices { get; set; } = new Dictionary<string, ModelPrice>();

    /// <summary>Effect classes (<c>unsafe</c>, <c>idempotent</c>, <c>recorded</c>, <c>pure</c>), and <c>destructive</c>, whose calls a person must approve, whatever a job says. Default: none.</summary>
    public IReadOnlyList<string> Approve { get; set; } = [];

    /// <summary>How long a call of a tool over the network may take. Milliseconds; default 30,000.</summary>
    public int CallTimeoutMs { get; set; } = 30_000;

    /// <summary>Most bytes that are read of a tool's answer. Default 1 MiB.</summary>
    public int MaxAnswerBytes { get; set; } = 1 << 20;

    /// <summary>The same for the same rules: processes whose digests differ must not do each other's agents.</summary>
    public string Digest() => ActionDigest.HashOf(CanonicalJson.Of(JsonSerializer.SerializeToUtf8Bytes(this, ToolOptionsJson.Default.ToolOptions)));
}

/// <summary>A secret that tools may send.</summary>
public sealed record ToolSecret
{
    /// <summary>The environment variable that holds it.</summary>
    public required string Environment { get; set; }

    /// <summary>The origins to which it may be sent, for example <c>https://api.example.com</c>.</summary>
    public required IReadOnlyList<string> Origins { get; set; }

    /// <summary>The projects that may use it; empty for all.</summary>
    public IReadOnlyList<string> Projects { get; set; } = [];
}

/// <summary>An MCP server: a command that is started and spoken to over its standard streams, or an address.</summary>
public sealed record McpServer
{
    /// <summary>The program and its arguments.</summary>
    public IReadOnlyList<string>? Command { get; set; }

    /// <summary>Environment variables of this process that the command gets, besides those that every program needs.</summary>
    public IReadOnlyList<string> Environment { get; set; } = [];

    /// <summary>Where it listens, with streamable HTTP.</summary>
    public string? Url { get; set; }

    /// <summary>The name of the secret that is sent as a bearer token.</summary>
    public string? Secret { get; set; }

    /// <summary>The projects that may use it; empty for all.</summary>
    public IReadOnlyList<string> Projects { get; set; } = [];
}

/// <summary>What a model costs, in one currency per million tokens.</summary>
public sealed record ModelPrice
{
    /// <summary>Of questions.</summary>
    public decimal PromptPerMillion { get; set; }

    /// <summary>Of answers.</summary>
    public decimal CompletionPerMillion { get; set; }

    /// <summary>What so many tokens cost.</summary>
    public decimal Of(long promptTokens, long completionTokens) => ((promptTokens * PromptPerMillion) + (completionTokens * CompletionPerMillion)) / 1_000_000;
}

/// <summary>Reads and writes <see cref="ToolOptions"/>.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, ReadCommentHandling = JsonCommentHandling.Skip,
    AllowTrailingCommas = true)]
[JsonSerializable(typeof(ToolOptions))]
public sealed partial class ToolOptionsJson : JsonSerializerContext;
