namespace HelixFlow.Gateway.Sockets;

/// <summary>Limits of WebSockets. Read once at start.</summary>
public sealed class SocketOptions
{
    /// <summary>Largest message from a client in bytes; a larger one closes the socket with 1009. Default 16 MiB, as much as a request's body.</summary>
    public int MaxMessageBytes { get; set; } = 16 << 20;

    /// <summary>A socket on which nothing runs and nothing is said for this long is closed with 1001. Default 15 min.</summary>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>How long a socket lasts. Default 60 min, as OpenAI has it.</summary>
    public TimeSpan MaxLifetime { get; set; } = TimeSpan.FromMinutes(60);

    /// <summary>How often a ping is sent on a silent socket, so that proxies keep it open. Default 15 s.</summary>
    public TimeSpan PingInterval { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>A client that does not answer a ping within this time is gone. Default 60 s.</summary>
    public TimeSpan PongTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>A client that takes no bytes for this long is gone: what it asked for waits for it, and holds memory. Default 60 s.</summary>
    public TimeSpan SendTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a client may take to answer a close before its connection is cut. Default 5 s.</summary>
    public TimeSpan CloseTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Most items of a Realtime conversation. Default 4096.</summary>
    public int MaxItems { get; set; } = 4096;

    /// <summary>What those items may take in bytes, together. Default 16 MiB.</summary>
    public long MaxConversationBytes { get; set; } = 16 << 20;

    /// <summary>Most responses that one socket may have under way. Default 16, as OpenAI has it.</summary>
    public int MaxResponses { get; set; } = 16;

    /// <summary>Most named lanes of one socket of the Responses API. Default 32, as OpenAI has it.</summary>
    public int MaxLanes { get; set; } = 32;
}
