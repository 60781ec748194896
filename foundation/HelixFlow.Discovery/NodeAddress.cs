namespace HelixFlow.Discovery;

/// <summary>Where a node can be reached. Equal when id, address and metadata are.</summary>
/// <param name="Id">Names the node in logs and among the others of its set; unique within a set.</param>
/// <param name="Address">Scheme, host and port; no path.</param>
/// <param name="Metadata">What the node says about itself at its registration; empty where the source has no such thing.</param>
public sealed record NodeAddress(string Id, Uri Address, IReadOnlyDictionary<string, string> Metadata)
{
    private static readonly Dictionary<string, string> Nothing = [];

    /// <summary>A node without metadata.</summary>
    public NodeAddress(string id, Uri address)
        : this(id, address, Nothing)
    {
    }

    public bool Equals(NodeAddress? other) =>
        other is not null
        && string.Equals(Id, other.Id, StringComparison.Ordinal)
        && Address == other.Address
        && Metadata.Count == other.Metadata.Count
        && Metadata.All(pair => other.Metadata.TryGetValue(pair.Key, out string? value) && string.Equals(pair.Value, value, StringComparison.Ordinal));

    public override int GetHashCode() => HashCode.Combine(Id, Address, Metadata.Count);

    public override string ToString() => $"{Id} ({Address.GetLeftPart(UriPartial.Authority)})";
}
