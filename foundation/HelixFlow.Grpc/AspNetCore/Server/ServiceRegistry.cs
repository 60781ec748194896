using Google.Protobuf.Reflection;

namespace Grpc.AspNetCore.Server;

/// <summary>The services that a server has mapped: what reflection tells of. Filled while the host starts, read afterwards.</summary>
internal sealed class ServiceRegistry
{
    private readonly Lock _adding = new();
    private readonly Dictionary<string, ServiceDescriptor?> _services = new(StringComparer.Ordinal);
    private bool _answersUnknown;

    /// <summary>By full name; the descriptor is null for a service that is not defined by a .proto file.</summary>
    public IReadOnlyDictionary<string, ServiceDescriptor?> Services
    {
        get
        {
            lock (_adding)
            {
                return new Dictionary<string, ServiceDescriptor?>(_services);
            }
        }
    }

    public void Add(string name, ServiceDescriptor? descriptor)
    {
        lock (_adding)
        {
            _services[name] = descriptor;
        }
    }

    /// <summary>True the first time: unknown services are answered by one endpoint.</summary>
    public bool TakeUnknown()
    {
        lock (_adding)
        {
            bool first = !_answersUnknown;
            _answersUnknown = true;
            return first;
        }
    }
}
