using System.Net;
using System.Net.Sockets;

namespace HelixFlow.Agents.Fetching;

/// <summary>Opens connections only to addresses that may be reached.</summary>
/// <remarks>Names are resolved here, and the connection is opened to the address that was judged: a name cannot mean another address a moment later (DNS rebinding).</remarks>
internal static class GuardedConnection
{
    /// <exception cref="FetchException">The host has no address that may be reached.</exception>
    public static async ValueTask<Stream> OpenAsync(AddressRules rules, ResolveHost resolve, DnsEndPoint target, CancellationToken cancellationToken)
    {
        (string host, int port) = (target.Host, target.Port);
        IPAddress[] addresses = IPAddress.TryParse(host, out IPAddress? literal) ? [literal] : await resolve(host, cancellationToken).ConfigureAwait(false);
        IPAddress[] allowed = Array.FindAll(addresses, address => rules.Allows(host, port, address));
        if (addresses.Length > 0 && allowed.Length == 0)
        {
            throw new FetchException(FetchFailure.RefusedAddress, $"{host}, port {port}, may not be reached: it is not public, and not among what is allowed.");
        }

        Exception? last = null;
        foreach (IPAddress address in allowed)
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(new IPEndPoint(address, port), cancellationToken).ConfigureAwait(false);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (Exception exception)
            {
                socket.Dispose();
                if (exception is not SocketException)
                {
                    throw;
                }

                last = exception;
            }
        }

        throw last ?? new SocketException((int)SocketError.HostNotFound);
    }
}
