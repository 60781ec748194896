using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace HelixFlow.Agents.Fetching;

/// <summary>Who may use an address.</summary>
public enum AddressKind
{
    /// <summary>Anybody on the Internet.</summary>
    Public,

    /// <summary>This machine and the networks around it.</summary>
    Private,

    /// <summary>Nobody by HTTP, or a cloud's own services: link-local, multicast, documentation, translation, metadata.</summary>
    Special,
}

/// <summary>Which addresses may be reached. Immutable.</summary>
/// <remarks>
/// After IANA's registries of special-purpose addresses (RFC 6890, as of 2025). In IPv6 only global unicast (2000::/3) is public; an address that
/// carries one of IPv4
/// (mapped, or translated by NAT64) is judged by that one. Tunnels (6to4, Teredo) lead past every judgement and are never public.
/// </remarks>
public sealed class AddressRules
{
    private static readonly IPNetwork[] _private =
    [
        IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("100.64.0.0/10"), IPNetwork.Parse("127.0.0.0/8"),
        IPNetwork.Parse("172.16.0.0/12"), IPNetwork.Parse("192.168.0.0/16"),
        IPNetwork.Parse("::1/128"), IPNetwork.Parse("fc00::/7"),
    ];

    private static readonly IPNetwork[] _special =
    [
        IPNetwork.Parse("0.0.0.0/8"), IPNetwork.Parse("169.254.0.0/16"), IPNetwork.Parse("192.0.0.0/24"),
        IPNetwork.Parse("192.0.2.0/24"), IPNetwork.Parse("192.31.196.0/24"),
        IPNetwork.Parse("192.52.193.0/24"), IPNetwork.Parse("192.88.99.0/24"), IPNetwork.Parse("192.175.48.0/24"), IPNetwork.Parse("198.18.0.0/15"),
        IPNetwork.Parse("198.51.100.0/24"), IPNetwork.Parse("203.0.113.0/24"), IPNetwork.Parse("224.0.0.0/4"), IPNetwork.Parse("240.0.0.0/4"),
        IPNetwork.Parse("2001::/23"), IPNetwork.Parse("2001:db8::/32"), IPNetwork.Parse("2002::/16"),
        IPNetwork.Parse("2620:4f:8000::/48"), IPNetwork.Parse("3fff::/20"),

        // Services of clouds, within public and private networks: metadata with credentials, and control of the machine.
        IPNetwork.Parse("100.100.100.200/32"), IPNetwork.Parse("168.63.129.16/32"), IPNetwork.Parse("fd00:ec2::/32"), IPNetwork.Parse("fd20:ce::/32"),
    ];

    private static readonly IPNetwork _globalUnicast = IPNetwork.Parse("2000::/3");
    private static readonly IPNetwork _translated = IPNetwork.Parse("64:ff9b::/96");

    private readonly bool _allowsPrivate;
    private readonly List<IPNetwork> _networks = [];
    private readonly List<(string Host, int Port)> _hosts = [];
    private readonly int[] _ports;

    private AddressRules(IReadOnlyList<string> allowed, IReadOnlyList<int> ports)
    {
        _ports = [.. ports];
        foreach (string rule in allowed)
        {
            if (rule == "private")
            {
                _allowsPrivate = true;
            }
            else if (IPAddress.TryParse(rule, out IPAddress? address))
            {
                _networks.Add(new IPNetwork(address, address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128));
            }
            else if (rule.Contains('/', StringComparison.Ordinal))
            {
                _networks.Add(IPNetwork.TryParse(rule, out IPNetwork network) ? network : throw Wrong(rule));
            }
            else
            {
                _hosts.Add(Host(rule));
            }
        }
    }

    /// <summary>Reads rules.</summary>
    /// <param name="allowed">
    /// Each is <c>private</c> (this machine and private networks), a network (<c>10.1.0.0/16</c>), an address, a host (<c>wiki.corp</c>), a host with
    /// the one port that may
    /// be reached there (<c>wiki.corp:8443</c>), or all hosts below a domain (<c>*.corp</c>). A host's rule covers private addresses only; special
    /// ones must be allowed by number.
    /// </param>
    /// <param name="ports">Ports of public addresses that may be reached; what is allowed above may be reached on any port.</param>
    /// <exception cref="FormatException">One of them is none of these.</exception>
    public static AddressRules Parse(IReadOnlyList<string> allowed, IReadOnlyList<int> ports) => new(allowed, ports);

    /// <summary>Whether a host may be reached at an address that its name has.</summary>
    public bool Allows(string host, int port, IPAddress address)
    {
        AddressKind kind = KindOf(address);
        IPAddress plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        if (_networks.Exists(network => network.Contains(plain)))
        {
            return true;
        }

        bool isListed = _hosts.Exists(rule => (rule.Port == 0 || rule.Port == port) && Matches(rule.Host, host.TrimEnd('.')));
        return kind switch
        {
            AddressKind.Public => isListed || Array.IndexOf(_ports, port) >= 0,
            AddressKind.Private => isListed || _allowsPrivate,
            _ => false,
        };
    }

    /// <summary>Who may use an address.</summary>
    public static AddressKind KindOf(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
        {
            return KindOf(address.MapToIPv4());
        }

        if (address.AddressFamily == AddressFamily.InterNetworkV6 && address.ScopeId != 0)
        {
            return AddressKind.Special;
        }

        if (_translated.Contains(address))
        {
            // What the translator makes of a private address is its own network's.
            return KindOf(new IPAddress(address.GetAddressBytes().AsSpan(12))) == AddressKind.Public ? AddressKind.Public : AddressKind.Special;
        }

        return Array.Exists(_special, network => network.Contains(address)) ? AddressKind.Special
            : Array.Exists(_private, network => network.Contains(address)) ? AddressKind.Private
            : address.AddressFamily == AddressFamily.InterNetwork || _globalUnicast.Contains(address) ? AddressKind.Public
            : AddressKind.Special;
    }

    private static (string Host, int Port) Host(string rule)
    {
        int colon = rule.LastIndexOf(':');
        string host = colon < 0 ? rule : rule[..colon];
        int port = 0;
        if (colon >= 0 && !(int.TryParse(rule.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is > 0 and <= 65535))
        {
            throw Wrong(rule);
        }

        string name = host.StartsWith("*.", StringComparison.Ordinal) ? host[2..] : host;
        return Uri.CheckHostName(name) == UriHostNameType.Dns ? (host, port) : throw Wrong(rule);
    }

    private static bool Matches(string rule, string host) => rule.StartsWith("*.", StringComparison.Ordinal)
        ? host.EndsWith(rule[1..], StringComparison.OrdinalIgnoreCase)
        : host.Equals(rule, StringComparison.OrdinalIgnoreCase);

    private static FormatException Wrong(string rule) =>
        new($"'{rule}' will not do; it must be 'private', a network such as 10.1.0.0/16, an address, a host, host:port or *.domain.");
}
