namespace HelixFlow.Discovery.Consul;

/// <summary>How to reach a Consul agent.</summary>
/// <param name="Address">For example http://127.0.0.1:8500/.</param>
public sealed record ConsulAgentOptions(Uri Address)
{
    /// <summary>The ACL token, sent as X-Consul-Token; null for none. A secret: it is in no text of this record.</summary>
    public string? Token { get; init; }

    /// <summary>The datacenter to ask about; null for the agent's own.</summary>
    public string? Datacenter { get; init; }

    /// <summary>How long the agent may take for an answer, beyond the time that it was asked to wait. Default 10 s.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    public override string ToString() => Address.GetLeftPart(UriPartial.Authority);

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Address);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(Timeout, TimeSpan.Zero);
        if (Token is not null && !Token.All(character => character is > ' ' and <= '~'))
        {
            throw new ArgumentException("It holds characters that a header cannot carry.", nameof(Token)); // says nothing of the secret itself
        }
    }
}
