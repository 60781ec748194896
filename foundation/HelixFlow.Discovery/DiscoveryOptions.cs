using System.Globalization;
using HelixFlow.Discovery.Consul;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Discovery;

/// <summary>Where the nodes of a pool are looked up: one of <see cref="StaticDiscoveryOptions"/>, <see cref="DnsDiscoveryOptions"/> and <see cref="ConsulDiscoveryOptions"/>.</summary>
public abstract record DiscoveryOptions
{
    private const string Forms =
        "Write static:http://host:port,http://host:port or dns:name:port[?scheme=https] or consul:http://agent:8500/service[?dc=…&tag=…&scheme=https].";

    private protected DiscoveryOptions()
    {
    }

    /// <summary>Reads the one-line form.</summary>
    /// <remarks>
    /// <c>static:</c> and addresses between commas; <c>dns:name:port</c>; <c>consul:</c>, the agent's address, a slash and the service's name. The last two
    /// take <c>?scheme=https</c> for the nodes; Consul also <c>dc</c> (datacenter) and <c>tag</c>. A Consul token is a secret and has no place in
    /// such a line: set <see cref="ConsulAgentOptions.Token"/>.
    /// </remarks>
    /// <exception cref="FormatException">It is none; the message says what is wrong with it and what would be right.</exception>
    public static DiscoveryOptions Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string kind = colon < 0 ? text : text[..colon];
        string rest = colon < 0 ? "" : text[(colon + 1)..];
        return kind.Trim() switch
        {
            "static" => ParseStatic(rest),
            "dns" => ParseDns(rest),
            "consul" => ParseConsul(rest),
            _ => throw Wrong($"\"{kind}\" is no kind of discovery. {Forms}"),
        };
    }

    /// <summary>What these options describe.</summary>
    /// <param name="loggers">Told of failures.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">Spreads repeated attempts; shared with nobody.</param>
    public abstract INodeDiscovery Create(ILoggerFactory loggers, TimeProvider time, Random random);

    private static StaticDiscoveryOptions ParseStatic(string text)
    {
        var addresses = new List<Uri>();
        foreach (string part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            Uri address = Address(part, "a node's address");
            if (address.PathAndQuery != "/")
            {
                throw Wrong($"\"{part}\" must end after host and port.");
            }

            if (addresses.Contains(address))
            {
                throw Wrong($"\"{part}\" is there twice.");
            }

            addresses.Add(address);
        }

        return new StaticDiscoveryOptions(addresses);
    }

    private static DnsDiscoveryOptions ParseDns(string text)
    {
        (string target, Dictionary<string, string> settings) = Settings(text, "scheme");
        int colon = target.LastIndexOf(':');
        string name = colon < 0 ? target : target[..colon];
        if (colon < 0
            || !int.TryParse(target.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port)
            || port is < 1 or > 65_535)
        {
            throw Wrong($"\"{target}\" must be a name, a colon and a port from 1 to 65535, as in pool.default.svc:7070.");
        }

        name = name.Length > 2 && name[0] == '[' && name[^1] == ']' ? name[1..^1] : name;
        if (Uri.CheckHostName(name) == UriHostNameType.Unknown)
        {
            throw Wrong($"\"{name}\" is no host name.");
        }

        return new DnsDiscoveryOptions(name, port) { Scheme = Scheme(settings) };
    }

    private static ConsulDiscoveryOptions ParseConsul(string text)
    {
        (string target, Dictionary<string, string> settings) = Settings(text, "scheme", "dc", "tag");
        Uri address = Address(target, "the Consul agent's address");
        string service = Uri.UnescapeDataString(address.AbsolutePath.Trim('/'));
        if (string.IsNullOrWhiteSpace(service) || service.Contains('/', StringComparison.Ordinal))
        {
            throw Wrong($"\"{target}\" must end in a slash and the service's name, as in http://127.0.0.1:8500/inference.");
        }

        return new ConsulDiscoveryOptions(
            new ConsulAgentOptions(new Uri(address, "/")) { Datacenter = settings.GetValueOrDefault("dc") },
            service)
        {
            Tag = settings.GetValueOrDefault("tag"),
            Scheme = Scheme(settings),
        };
    }

    private static Uri Address(string text, string what)
    {
        if (text.Length == 0)
        {
            throw Wrong($"There is no address where {what} should be. {Forms}");
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? address)
            || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps)
            || address.Host.Length == 0
            || address.UserInfo.Length > 0
            || address.Fragment.Length > 0
            || address.Port == 0)
        {
            throw Wrong($"\"{text}\" cannot be {what}: that is http:// or https://, a host and a port.");
        }

        return address;
    }

    private static (string Target, Dictionary<string, string> Settings) Settings(string text, params ReadOnlySpan<string> known)
    {
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        int mark = text.IndexOf('?', StringComparison.Ordinal);
        if (mark < 0)
        {
            return (text.Trim(), settings);
        }

        foreach (string part in text[(mark + 1)..].Split('&', StringSplitOptions.TrimEntries))
        {
            int equals = part.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? part : part[..equals];
            string value = equals < 0 ? "" : Uri.UnescapeDataString(part[(equals + 1)..]);
            if (!known.Contains(name))
            {
                throw Wrong($"\"{name}\" is no setting here; there is {string.Join(", ", known.ToArray())}.");
            }

            if (value.Length == 0)
            {
                throw Wrong($"\"{name}\" has no value.");
            }

            if (!settings.TryAdd(name, value))
            {
                throw Wrong($"\"{name}\" is there twice.");
            }
        }

        return (text[..mark].Trim(), settings);
    }

    private static string Scheme(Dictionary<string, string> settings)
    {
        string scheme = settings.GetValueOrDefault("scheme", Uri.UriSchemeHttp);
        return scheme is "http" or "https" ? scheme : throw Wrong($"The scheme \"{scheme}\" must be http or https.");
    }

    private static FormatException Wrong(string message) => new(message);
}

/// <summary>A fixed list of nodes.</summary>
/// <param name="Addresses">Scheme, host and port of each.</param>
public sealed record StaticDiscoveryOptions(IReadOnlyList<Uri> Addresses) : DiscoveryOptions
{
    /// <inheritdoc/>
    public override INodeDiscovery Create(ILoggerFactory loggers, TimeProvider time, Random random) => new StaticDiscovery(Addresses);
}

/// <summary>The addresses of a DNS name.</summary>
/// <param name="Name">For example that of a Kubernetes headless service.</param>
/// <param name="Port">The nodes' port: [1, 65535].</param>
public sealed record DnsDiscoveryOptions(string Name, int Port) : DiscoveryOptions
{
    /// <summary>The nodes' scheme: http (the default) or https.</summary>
    public string Scheme { get; init; } = Uri.UriSchemeHttp;

    /// <summary>How long to wait before asking again. Default 5 s.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long an answer may take. Default 5 s.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    public override INodeDiscovery Create(ILoggerFactory loggers, TimeProvider time, Random random) =>
        new DnsDiscovery(this, null, time, loggers.CreateLogger<DnsDiscovery>());

    internal void Validate()
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(Name);
        ArgumentOutOfRangeException.ThrowIfLessThan(Port, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Port, 65_535);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(Interval, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(Timeout, TimeSpan.Zero);
    }
}
