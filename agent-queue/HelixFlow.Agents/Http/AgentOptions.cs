namespace HelixFlow.Agents.Http;

/// <summary>How the agent queue is served over HTTP.</summary>
public sealed class AgentOptions
{
    /// <summary>The largest request body. Bytes; default 32 MiB, above the longest text or table that is worth posting inline.</summary>
    public long MaxBodyBytes { get; set; } = 32 << 20;

    /// <summary>The largest file that a project may bring with one request. Bytes; default 1 GiB. It is never held in memory as a whole.</summary>
    public long MaxArtifactBytes { get; set; } = 1L << 30;

    /// <summary>Jobs on a page that names no limit. Default 20.</summary>
    public int PageLimit { get; set; } = 20;

    /// <summary>The most jobs on one page. Default 100.</summary>
    public int MaxPageLimit { get; set; } = 100;

    /// <summary>Whether webhooks may be sent to private, loopback and link-local addresses. Default false.</summary>
    public bool AllowPrivateWebhooks { get; set; }

    /// <summary>Origins of web pages that may use the MCP endpoint beside those of this host; <c>*</c> for all. Default none.</summary>
    public IReadOnlyList<string> AllowedOrigins { get; set; } = [];

    /// <summary>How often an event stream looks into the journal although nothing was signalled: another process may have written. Default 1 s.</summary>
    public TimeSpan EventPollInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>A silent event stream sends a comment so often, which keeps proxies from closing it. Default 15 s.</summary>
    public TimeSpan KeepAliveInterval { get; set; } = TimeSpan.FromSeconds(15);
}
