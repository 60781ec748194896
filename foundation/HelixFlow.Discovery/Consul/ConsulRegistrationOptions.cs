namespace HelixFlow.Discovery.Consul;

/// <summary>How a node announces itself to Consul.</summary>
/// <param name="Agent">The agent of this machine; its token needs service:write.</param>
/// <param name="Service">The service's name, for example "inference".</param>
/// <param name="Id">Unique on the agent; better, everywhere.</param>
/// <param name="Address">Where others reach the node: scheme, host and port. The scheme goes into the metadata.</param>
public sealed record ConsulRegistrationOptions(ConsulAgentOptions Agent, string Service, string Id, Uri Address)
{
    /// <summary>For queries that ask for a tag.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>At most 63 pairs: keys of letters, digits, "-" and "_", up to 128 of them; values up to 512 characters.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>Without a heartbeat for this long, the node counts as failed. Heartbeats come at a third of it. At least 1 s; default 15 s.</summary>
    public TimeSpan Ttl { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>After this long as failed, Consul forgets the node. At least 1 minute; default 2 minutes.</summary>
    public TimeSpan DeregisterAfter { get; init; } = TimeSpan.FromMinutes(2);

    internal string CheckId => $"service:{Id}";

    internal void Validate()
    {
        Agent.Validate();
        ArgumentException.ThrowIfNullOrWhiteSpace(Service);
        ArgumentException.ThrowIfNullOrWhiteSpace(Id);
        ArgumentOutOfRangeException.ThrowIfLessThan(Ttl, TimeSpan.FromSeconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(DeregisterAfter, TimeSpan.FromMinutes(1));
        if (!Address.IsAbsoluteUri || Address.Port < 1)
        {
            throw new ArgumentException($"{Address} is no address with a port.", nameof(Address));
        }

        if (Metadata.Count > 63)
        {
            throw new ArgumentException("There are more than 63 pairs.", nameof(Metadata));
        }

        foreach ((string key, string value) in Metadata)
        {
            if (key.Length is 0 or > 128 || !key.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_') || value.Length > 512)
            {
                throw new ArgumentException($"\"{key}\" is no key, or its value is too long, for Consul.", nameof(Metadata));
            }
        }
    }
}
