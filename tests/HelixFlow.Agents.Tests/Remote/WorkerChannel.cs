using Grpc.Core;
using Grpc.Net.Client;

namespace HelixFlow.Agents.Tests.Remote;

/// <summary>Channels to a server's worker protocol.</summary>
internal static class WorkerChannel
{
    /// <param name="address">The server.</param>
    /// <param name="key">What is sent as the key; null for none.</param>
    public static GrpcChannel Open(Uri address, string? key)
    {
        var sender = CallCredentials.FromInterceptor((_, metadata) =>
        {
            if (key is not null)
            {
                metadata.Add("authorization", $"Bearer {key}");
            }

            return Task.CompletedTask;
        });
        return GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            Credentials = ChannelCredentials.Create(ChannelCredentials.Insecure, sender), UnsafeUseInsecureChannelCallCredentials = true, MaxReceiveMessageSize = null,
        });
    }
}
