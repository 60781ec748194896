using System.Net;
using System.Net.Sockets;
using HelixFlow.Agents.Fetching;

namespace HelixFlow.Agents.Webhooks;

/// <summary>Which addresses a receiver may have.</summary>
internal static class ReceiverAddress
{
    /// <summary>Whether a receiver may be at an address: public ones, and private ones where they are allowed. Clouds' own services never.</summary>
    public static bool IsAllowed(IPAddress address, bool allowPrivate) => AddressRules.KindOf(address) switch
    {
        AddressKind.Public => true,
        AddressKind.Private => allowPrivate,
        _ => false,
    };

    /// <summary>Connects to the first address of a host that may be connected to. The name is resolved here and nowhere else, so that it cannot mean two things.</summary>
    public static async ValueTask<Stream> ConnectAsync(DnsEndPoint host, bool allowPrivate, CancellationToken cancellationToken)
    {
        IPAddress[] addresses = IPAddress.TryParse(host.Host, out IPAddress? literal) ? [literal] : await Dns.GetHostAddressesAsync(host.Host, cancellationToken).ConfigureAwait(false);
        IPAddress[] allowed = Array.FindAll(addresses, address => IsAllowed(address, allowPrivate));
        if (allowed.Length == 0)
        {
            throw new HttpRequestException($"{host.Host} has no address that may be told.");
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(allowed, host.Port, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
