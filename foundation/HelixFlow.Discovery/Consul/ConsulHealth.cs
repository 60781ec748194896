using System.Text.Json;

namespace HelixFlow.Discovery.Consul;

/// <summary>The answer of <c>GET /v1/health/service/{name}</c>.</summary>
/// <param name="Nodes">In the order of their ids, each id once.</param>
/// <param name="Skipped">Instances that cannot be reached by what is registered: no port, or no usable address.</param>
internal sealed record ConsulHealth(IReadOnlyList<NodeAddress> Nodes, int Skipped)
{
    /// <summary>Reads the answer's body.</summary>
    /// <param name="body">UTF-8.</param>
    /// <param name="defaultScheme">The scheme of instances whose metadata names none.</param>
    /// <exception cref="JsonException">It is not what Consul's API describes.</exception>
    public static ConsulHealth Parse(ReadOnlyMemory<byte> body, string defaultScheme)
    {
        try
        {
            return ParseText(body, defaultScheme);
        }
        catch (InvalidOperationException exception)
        {
            // Bytes that are no UTF-8 and escapes of lone surrogates are found only when a text is read, and reported so.
            throw new JsonException("A text is not Unicode.", exception);
        }
    }

    private static ConsulHealth ParseText(ReadOnlyMemory<byte> body, string defaultScheme)
    {
        using var document = JsonDocument.Parse(body);
        if (document.RootElement.ValueKind != JsonValueKind.Array)
        {
            throw new JsonException($"An array of instances was expected, not {document.RootElement.ValueKind}.");
        }

        var nodes = new SortedDictionary<string, NodeAddress>(StringComparer.Ordinal);
        int skipped = 0;
        foreach (JsonElement instance in document.RootElement.EnumerateArray())
        {
            if (Node(instance, defaultScheme) is not { } node)
            {
                skipped++;
            }
            else if (!nodes.TryAdd(node.Id, node))
            {
                // An id is unique on one agent only.
                string id = $"{node.Id}@{node.Address.Authority}";
                nodes.TryAdd(id, node with { Id = id });
            }
        }

        return new ConsulHealth([.. nodes.Values], skipped);
    }

    /// <summary>Null when the instance cannot be reached by what is registered.</summary>
    private static NodeAddress? Node(JsonElement instance, string defaultScheme)
    {
        JsonElement service = Member(instance, "Service", JsonValueKind.Object)
            ?? throw new JsonException("An instance has no Service.");
        string id = Text(service, "ID") ?? throw new JsonException("A service has no ID.");
        string host = Text(service, "Address") ?? "";
        if (host.Length == 0 && Member(instance, "Node", JsonValueKind.Object) is { } node)
        {
            host = Text(node, "Address") ?? "";
        }

        int port = Member(service, "Port", JsonValueKind.Number) is { } number && number.TryGetInt32(out int value) ? value : 0;
        if (id.Length == 0 || port is < 1 or > 65_535 || Uri.CheckHostName(host) == UriHostNameType.Unknown)
        {
            return null;
        }

        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        if (Member(service, "Meta", JsonValueKind.Object) is { } meta)
        {
            foreach (JsonProperty property in meta.EnumerateObject())
            {
                metadata[property.Name] = Text(property.Value) ?? throw new JsonException($"The metadata {property.Name} is no text.");
            }
        }

        string scheme = metadata.GetValueOrDefault("scheme") is "https" or "http" ? metadata["scheme"] : defaultScheme;
        string authority = Uri.CheckHostName(host) == UriHostNameType.IPv6 && host[0] != '[' ? $"[{host}]" : host;
        return Uri.TryCreate($"{scheme}://{authority}:{port}", UriKind.Absolute, out Uri? address) ? new NodeAddress(id, address, metadata) : null;
    }

    /// <summary>The member; null when it is not there or is null.</summary>
    private static JsonElement? Member(JsonElement element, string name, JsonValueKind kind)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new JsonException($"An object with {name} was expected, not {element.ValueKind}.");
        }

        if (!element.TryGetProperty(name, out JsonElement member) || member.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        return member.ValueKind == kind ? member : throw new JsonException($"{name} is {member.ValueKind}, not {kind}.");
    }

    private static string? Text(JsonElement element, string name) => Member(element, name, JsonValueKind.String) is { } member ? Text(member) : null;

    private static string? Text(JsonElement element) => element.ValueKind == JsonValueKind.String ? element.GetString() : null;
}
