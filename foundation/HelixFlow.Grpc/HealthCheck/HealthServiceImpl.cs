using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Grpc.Core;
using Grpc.Health.V1;

namespace Grpc.HealthCheck;

/// <summary>gRPC's health service over statuses that the host sets. Thread-safe.</summary>
[SuppressMessage("Naming", "CA1711", Justification = "The official API's name.")]
public class HealthServiceImpl : Health.V1.Health.HealthBase
{
    private readonly Lock _changing = new();
    private readonly Dictionary<string, HealthCheckResponse.Types.ServingStatus> _statuses = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<ChannelWriter<HealthCheckResponse.Types.ServingStatus>>> _watchers = new(StringComparer.Ordinal);

    /// <summary>Sets a service's status; the empty name is the server as a whole.</summary>
    public void SetStatus(string service, HealthCheckResponse.Types.ServingStatus status)
    {
        lock (_changing)
        {
            _statuses[service] = status;
            Tell(service, status);
        }
    }

    /// <summary>Forgets a service.</summary>
    public void ClearStatus(string service)
    {
        lock (_changing)
        {
            _statuses.Remove(service);
            Tell(service, HealthCheckResponse.Types.ServingStatus.ServiceUnknown);
        }
    }

    /// <summary>Forgets all services.</summary>
    public void ClearAll()
    {
        lock (_changing)
        {
            foreach (string service in _statuses.Keys.ToArray())
            {
                ClearStatus(service);
            }
        }
    }

    public override Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context)
    {
        lock (_changing)
        {
            return _statuses.TryGetValue(request.Service, out HealthCheckResponse.Types.ServingStatus status)
                ? Task.FromResult(new HealthCheckResponse { Status = status })
                : throw new RpcException(new Status(StatusCode.NotFound, $"The service '{request.Service}' is not known."));
        }
    }

    public override Task<HealthListResponse> List(HealthListRequest request, ServerCallContext context)
    {
        var response = new HealthListResponse();
        lock (_changing)
        {
            foreach ((string service, HealthCheckResponse.Types.ServingStatus status) in _statuses)
            {
                response.Statuses.Add(service, new HealthCheckResponse { Status = status });
            }
        }

        return Task.FromResult(response);
    }

    public override async Task Watch(HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
    {
        // Only the latest status matters to a slow watcher.
        var changes = Channel.CreateBounded<HealthCheckResponse.Types.ServingStatus>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });
        lock (_changing)
        {
            changes.Writer.TryWrite(_statuses.TryGetValue(request.Service, out HealthCheckResponse.Types.ServingStatus status)
                ? status
                : HealthCheckResponse.Types.ServingStatus.ServiceUnknown);
            if (!_watchers.TryGetValue(request.Service, out List<ChannelWriter<HealthCheckResponse.Types.ServingStatus>>? watchers))
            {
                _watchers.Add(request.Service, watchers = []);
            }

            watchers.Add(changes.Writer);
        }

        try
        {
            HealthCheckResponse.Types.ServingStatus? last = null;
            await foreach (HealthCheckResponse.Types.ServingStatus next in changes.Reader.ReadAllAsync(context.CancellationToken).ConfigureAwait(false))
            {
                if (next != last)
                {
                    last = next;
                    await responseStream.WriteAsync(new HealthCheckResponse { Status = next }).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            lock (_changing)
            {
                _watchers[request.Service].Remove(changes.Writer);
            }
        }
    }

    private void Tell(string service, HealthCheckResponse.Types.ServingStatus status)
    {
        if (_watchers.TryGetValue(service, out List<ChannelWriter<HealthCheckResponse.Types.ServingStatus>>? watchers))
        {
            watchers.ForEach(watcher => watcher.TryWrite(status));
        }
    }
}
