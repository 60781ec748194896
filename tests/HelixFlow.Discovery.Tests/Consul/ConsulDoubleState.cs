using System.Text.Json.Nodes;

namespace HelixFlow.Discovery.Tests.Consul;

/// <summary>What the double of a Consul agent knows: services, their checks, and the index that every change raises.</summary>
internal sealed class ConsulDoubleState(TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Service> _services = [];
    private readonly List<string> _requests = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ulong Index { get; private set; } = 10;

    /// <summary>All requests so far: method, path and query.</summary>
    public IReadOnlyList<string> Requests
    {
        get
        {
            lock (_lock)
            {
                return [.. _requests];
            }
        }
    }

    /// <summary>"id status", in the order of ids.</summary>
    public string Statuses
    {
        get
        {
            lock (_lock)
            {
                return string.Join(", ", _services.Values.OrderBy(service => service.Id, StringComparer.Ordinal).Select(service => $"{service.Id} {service.Status}"));
            }
        }
    }

    public void Asked(string request) => Change(() => _requests.Add(request), counts: false);

    public int Count(string requestStart) => Requests.Count(request => request.StartsWith(requestStart, StringComparison.Ordinal));

    /// <summary>Waits until it is so; looked at after every request and every change.</summary>
    public async Task UntilAsync(Func<ConsulDoubleState, bool> condition, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                changed = _changed.Task;
            }

            if (condition(this))
            {
                return;
            }

            await changed.WaitAsync(TimeSpan.FromMinutes(5), cancellationToken);
        }
    }

    public Refusal? Register(Service service)
    {
        Change(() =>
        {
            if (_services.Remove(service.Id, out Service? old))
            {
                old.Timer?.Dispose();
            }

            _services.Add(service.Id, service);
            Arm(service);
        });
        return null;
    }

    public Refusal? Deregister(string id)
    {
        lock (_lock)
        {
            if (!_services.ContainsKey(id))
            {
                return new Refusal(404, $"Unknown service ID \"{id}\". Ensure that the service ID is passed, not the service name.");
            }
        }

        Change(() => Forget(id));
        return null;
    }

    public Refusal? Update(string checkId, string status, string output)
    {
        lock (_lock)
        {
            if (_services.Values.FirstOrDefault(service => service.CheckId == checkId) is not { } service)
            {
                return new Refusal(404, $"Unknown check ID \"{checkId}\". Ensure that the check ID is passed, not the check name.");
            }

            Change(
                () =>
                {
                    service.Status = status;
                    service.Output = output;
                    Arm(service);
                },
                counts: service.Status != status || service.Output != output);
            return null;
        }
    }

    /// <summary>The agent has lost its data and begins anew with a low index.</summary>
    public void BeginAnew() => Change(
        () =>
        {
            foreach (string id in _services.Keys.ToArray())
            {
                Forget(id);
            }

            Index = 3;
        },
        counts: false);

    /// <summary>The index falls although the services stay, as after the restore of an older snapshot.</summary>
    public void SetIndex(ulong index) => Change(() => Index = index, counts: false);

    public string Output(string id)
    {
        lock (_lock)
        {
            return _services[id].Output;
        }
    }

    public (ulong Index, JsonArray Instances) Health(string name, string tag, bool passing, bool hidden)
    {
        lock (_lock)
        {
            IEnumerable<Service> found = _services.Values
                .Where(service => !hidden && service.Name == name && (tag.Length == 0 || service.Tags.Contains(tag)) && (!passing || service.Status == "passing"));
            return (Index, [.. found.Select(Instance)]);
        }
    }

    private static JsonNode Instance(Service service) => new JsonObject
    {
        ["Node"] = new JsonObject
        {
            ["ID"] = "40e4a748-2192-161a-0510-9bf59fe950b5",
            ["Node"] = "agent-one",
            ["Address"] = "127.0.0.1",
            ["Datacenter"] = ConsulDouble.Datacenter,
            ["Meta"] = null,
        },
        ["Service"] = new JsonObject
        {
            ["ID"] = service.Id,
            ["Service"] = service.Name,
            ["Tags"] = new JsonArray([.. service.Tags.Select(tag => JsonValue.Create(tag))]),
            ["Address"] = service.Address,
            ["Meta"] = new JsonObject(service.Meta.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)JsonValue.Create(pair.Value)))),
            ["Port"] = service.Port,
            ["Weights"] = new JsonObject { ["Passing"] = 1, ["Warning"] = 1 },
        },
        ["Checks"] = new JsonArray(
            new JsonObject { ["CheckID"] = "serfHealth", ["Status"] = "passing" },
            new JsonObject { ["CheckID"] = service.CheckId, ["Status"] = service.Status, ["Output"] = service.Output, ["ServiceID"] = service.Id }),
    };

    private void Change(Action change, bool counts = true)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            change();
            Index += counts ? 1UL : 0;
            changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.SetResult();
    }

    private void Forget(string id)
    {
        if (_services.Remove(id, out Service? service))
        {
            service.Timer?.Dispose();
        }
    }

    /// <summary>A TTL check becomes critical when it is not updated in time; one that stays critical is taken away with its service.</summary>
    private void Arm(Service service)
    {
        service.Timer?.Dispose();
        service.Timer = service.Ttl is not { } ttl
            ? null
            : time.CreateTimer(_ => Change(() => Expire(service)), null, ttl, Timeout.InfiniteTimeSpan);
    }

    private void Expire(Service service)
    {
        service.Status = "critical";
        service.Output = "TTL expired";
        service.Timer?.Dispose();
        service.Timer = service.DeregisterAfter is not { } after
            ? null
            : time.CreateTimer(_ => Change(() => Forget(service.Id)), null, after, Timeout.InfiniteTimeSpan);
    }

    internal readonly record struct Refusal(int Status, string Text);

    internal sealed class Service
    {
        public required string Id { get; init; }

        public required string Name { get; init; }

        public string Address { get; init; } = "";

        public int Port { get; init; }

        public IReadOnlyList<string> Tags { get; init; } = [];

        public IReadOnlyDictionary<string, string> Meta { get; init; } = new Dictionary<string, string>();

        public string CheckId { get; init; } = "";

        public string Status { get; set; } = "passing";

        public string Output { get; set; } = "";

        public TimeSpan? Ttl { get; init; }

        public TimeSpan? DeregisterAfter { get; init; }

        public ITimer? Timer { get; set; }
    }
}
