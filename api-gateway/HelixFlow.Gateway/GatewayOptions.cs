using HelixFlow.Gateway.Batches;
using HelixFlow.Gateway.Files;
using HelixFlow.Gateway.Sockets;
using HelixFlow.Gateway.VectorStores;

namespace HelixFlow.Gateway;

/// <summary>Limits and manners of the gateway. Read once at start.</summary>
public sealed class GatewayOptions
{
    /// <summary>Where the gateway keeps what it stores for its clients: its database file and their files, unless the host registers others. The host sets it; it exists, and one process uses it at a time.</summary>
    public string DataFolder { get; set; } = "";

    /// <summary>
    /// Of gateways that share a database: one that has said nothing for this long is taken for dead, and the others go on with its work. Default 30 s.
    /// </summary>
    public TimeSpan MemberLifetime { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Largest request body in bytes. Default 16 MiB: a prompt of a few million tokens.</summary>
    public long MaxBodyBytes { get; set; } = 16 << 20;

    /// <summary>Most choices ("n") per request. Default 16.</summary>
    public int MaxChoices { get; set; } = 16;

    /// <summary>A comment line goes into a stream that has been silent for this long, so that proxies keep it open. Default 15 s.</summary>
    public TimeSpan KeepAliveInterval { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>A streamed request that is held, for example while its model loads, gets a comment this often; the first begins the response. Default 3 s.</summary>
    public TimeSpan HeldCommentInterval { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>Requests that each project may make per minute; 0, the default, is no limit.</summary>
    public long RequestsPerMinute { get; set; }

    /// <summary>Tokens, of prompts and answers, that each project may use per minute; 0, the default, is no limit.</summary>
    public long TokensPerMinute { get; set; }

    /// <summary>How long answers to requests with an idempotency key are kept. Default 24 h.</summary>
    public TimeSpan IdempotencyLifetime { get; set; } = TimeSpan.FromHours(24);

    /// <summary>What those answers may take of the memory, in bytes; then the oldest go. Default 64 MiB.</summary>
    public long IdempotencyBytes { get; set; } = 64 << 20;

    /// <summary>Origins that browsers may call from, or "*" for all; none by default.</summary>
    public IReadOnlyList<string> AllowedOrigins { get; set; } = [];

    /// <summary>Stored files.</summary>
    public FileStoreOptions Files { get; set; } = new();

    /// <summary>Batches.</summary>
    public BatchOptions Batches { get; set; } = new();

    /// <summary>WebSockets.</summary>
    public SocketOptions Sockets { get; set; } = new();

    /// <summary>Vector stores.</summary>
    public VectorStoreOptions VectorStores { get; set; } = new();

    /// <summary>The model that moderations ask, of the Llama Guard kind; without one, the default, they are refused.</summary>
    public string? ModerationModel { get; set; }

    /// <summary>How long responses and stored chat completions are kept. Default 30 days, as OpenAI keeps responses. Conversations are kept until they are deleted.</summary>
    public TimeSpan Retention { get; set; } = TimeSpan.FromDays(30);

    /// <summary>How often what is older is looked for. Default 1 h.</summary>
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromHours(1);
}
