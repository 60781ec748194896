using HelixFlow.Discovery.Consul;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Discovery.Tests.Consul;

public sealed class ConsulRegistrationTests : IAsyncLifetime
{
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(5);

    private readonly ManualTime _agentTime = new();
    private readonly ManualTime _time = new();
    private readonly RecordedLog<ConsulRegistration> _log = new();
    private readonly CancellationTokenSource _stop = new();
    private ConsulDouble _consul = null!;
    private ConsulRegistration _registration = null!;
    private Task _running = Task.CompletedTask;

    public async ValueTask InitializeAsync() => _consul = await ConsulDouble.StartAsync(_agentTime, token: "right");

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _consul.DisposeAsync();
        _stop.Dispose();
    }

    [Fact]
    public async Task A_node_is_found_as_it_announced_itself()
    {
        Start();
        await _consul.State.UntilAsync(state => state.Statuses == "node-1 passing");
        var options = new ConsulDiscoveryOptions(new ConsulAgentOptions(_consul.Url) { Token = "right" }, "pool") { Tag = "gpu" };
        await using var watch = new Watch(new ConsulDiscovery(options, _time, new Random(1), new RecordedLog<ConsulDiscovery>()));

        NodeAddress node = Assert.Single(await watch.NextNodesAsync());

        Assert.Equal("node-1", node.Id);
        Assert.Equal(new Uri("https://10.1.2.3:7070"), node.Address);
        Assert.Equal("eu", node.Metadata["region"]);
    }

    [Fact]
    public async Task Heartbeats_at_a_third_of_the_ttl_keep_it_passing()
    {
        Start();
        await _consul.State.UntilAsync(state => state.Statuses == "node-1 passing");

        for (int beat = 1; beat <= 12; beat++)
        {
            await BeatAsync();
            await _consul.State.UntilAsync(state => state.Count("PUT /v1/agent/check/update/service:node-1") == beat);
            _agentTime.Advance(Heartbeat);
            Assert.Equal("node-1 passing", _consul.State.Statuses);
        }

        Assert.Equal(1, _consul.State.Count("PUT /v1/agent/service/register"));
    }

    [Fact]
    public async Task Without_heartbeats_it_becomes_critical_and_is_forgotten()
    {
        Start();
        await _consul.State.UntilAsync(state => state.Statuses == "node-1 passing");

        _agentTime.Advance(TimeSpan.FromSeconds(15));
        Assert.Equal("node-1 critical", _consul.State.Statuses);
        _agentTime.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal("", _consul.State.Statuses);
    }

    [Fact]
    public async Task A_change_of_health_is_told_at_once()
    {
        Start(NodeHealth.Warning);
        await _consul.State.UntilAsync(state => state.Statuses == "node-1 warning");

        _registration.SetHealth(NodeHealth.Passing, "3 models");
        await _consul.State.UntilAsync(state => state.Statuses == "node-1 passing");
        Assert.Equal("3 models", _consul.State.Output("node-1"));
        _registration.SetHealth(NodeHealth.Critical, "the device is lost");
        await _consul.State.UntilAsync(state => state.Statuses == "node-1 critical");
    }

    [Fact]
    public async Task Stopping_takes_it_off()
    {
        Start();
        await _consul.State.UntilAsync(state => state.Statuses == "node-1 passing");
        await _time.WaitedForAsync(Heartbeat);

        await StopAsync();

        Assert.Equal("", _consul.State.Statuses);
        Assert.Equal([6121, 6124], _log.Entries.Select(entry => entry.Id));
    }

    [Fact]
    public async Task An_agent_that_has_forgotten_it_is_told_again()
    {
        Start();
        await _consul.State.UntilAsync(state => state.Statuses == "node-1 passing");

        _consul.State.BeginAnew();
        await BeatAsync();

        await _consul.State.UntilAsync(state => state.Statuses == "node-1 passing");
        await _time.WaitedForAsync(Heartbeat);
        await StopAsync();
        Assert.Equal([6121, 6123, 6121, 6124], _log.Entries.Select(entry => entry.Id));
    }

    [Fact]
    public async Task An_old_agent_says_with_500_that_it_has_forgotten()
    {
        Start();
        await _consul.State.UntilAsync(state => state.Statuses == "node-1 passing");
        _consul.Fault = async context =>
        {
            if (!context.Request.Path.StartsWithSegments("/v1/agent/check"))
            {
                return false;
            }

            context.Response.StatusCode = 500;
            await context.Response.WriteAsync("CheckID \"service:node-1\" does not have associated TTL");
            return true;
        };

        await BeatAsync();

        await _consul.State.UntilAsync(state => state.Count("PUT /v1/agent/service/register") == 2);
    }

    [Fact]
    public async Task An_agent_that_is_down_is_tried_until_it_is_back()
    {
        await _consul.StopAsync();
        Start();

        for (int attempt = 0; attempt < 3; attempt++)
        {
            _time.Advance(await PauseAsync());
        }

        TimeSpan pause = await PauseAsync();
        await _consul.StartAgainAsync();
        _time.Advance(pause);

        await _consul.State.UntilAsync(state => state.Statuses == "node-1 passing");
        Assert.Equal([6122, 6122, 6122, 6122], _log.Entries.Take(4).Select(entry => entry.Id));
    }

    [Fact]
    public async Task A_heartbeat_that_fails_is_repeated_before_the_ttl_runs_out()
    {
        Start();
        await _consul.State.UntilAsync(state => state.Statuses == "node-1 passing");
        int failures = 2;
        _consul.Fault = async context =>
        {
            if (failures == 0)
            {
                return false;
            }

            failures--;
            context.Response.StatusCode = 502;
            await context.Response.WriteAsync("");
            return true;
        };

        await BeatAsync();
        TimeSpan waited = Heartbeat;
        for (int attempt = 0; attempt < 2; attempt++)
        {
            TimeSpan pause = await PauseAsync();
            _time.Advance(pause);
            waited += pause;
        }

        await _consul.State.UntilAsync(state => state.Count("PUT /v1/agent/check/update") == 3);
        Assert.InRange(waited, Heartbeat, TimeSpan.FromSeconds(15));
        Assert.Equal(1, _consul.State.Count("PUT /v1/agent/service/register"));
    }

    [Fact]
    public async Task A_token_that_may_not_is_said()
    {
        Start(token: null);

        await PauseAsync();

        Assert.Contains("Permission denied", _log.Entries.First().Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stopping_while_the_agent_is_down_ends_too()
    {
        Start();
        await _consul.State.UntilAsync(state => state.Statuses == "node-1 passing");
        await _time.WaitedForAsync(Heartbeat);
        await _consul.StopAsync();

        await StopAsync();

        Assert.Equal(6125, _log.Entries.Last().Id);
    }

    [Fact]
    public async Task Stopping_before_it_was_registered_ends_too()
    {
        await _stop.CancelAsync();
        Start();

        await _running.WaitAsync(TimeSpan.FromMinutes(5));
    }

    [Fact]
    public void What_consul_would_refuse_is_refused_at_once()
    {
        Assert.Throws<ArgumentException>(() => Create(Options("right") with { Metadata = new Dictionary<string, string> { ["a b"] = "c" } }));
        Assert.Throws<ArgumentException>(() => Create(Options("right") with { Metadata = new Dictionary<string, string> { ["a"] = new('x', 513) } }));
        Assert.Throws<ArgumentOutOfRangeException>(() => Create(Options("right") with { Ttl = TimeSpan.Zero }));
        Assert.Throws<ArgumentOutOfRangeException>(() => Create(Options("right") with { DeregisterAfter = TimeSpan.FromSeconds(59) }));
        Assert.Throws<ArgumentException>(() => Create(Options("right") with { Id = " " }));
        Assert.Throws<ArgumentException>(() => Create(Options("line\nbreak")));
    }

    private ConsulRegistrationOptions Options(string? token) =>
        new(new ConsulAgentOptions(_consul.Url) { Token = token }, "pool", "node-1", new Uri("https://10.1.2.3:7070"))
        {
            Tags = ["gpu", "h"],
            Metadata = new Dictionary<string, string> { ["region"] = "eu" },
        };

    private ConsulRegistration Create(ConsulRegistrationOptions options, NodeHealth health = NodeHealth.Passing) =>
        new(options, health, _time, new Random(1), _log);

    private void Start(NodeHealth health = NodeHealth.Passing, string? token = "right")
    {
        _registration = Create(Options(token), health);
        _running = _registration.RunAsync(_stop.Token);
    }

    private async Task BeatAsync()
    {
        await _time.WaitedForAsync(Heartbeat);
        _time.Advance(Heartbeat);
    }

    /// <summary>The pause after a failure: shorter than a heartbeat, and no request's timeout.</summary>
    private Task<TimeSpan> PauseAsync() => _time.WaitedForAsync(TimeSpan.FromTicks(1), Heartbeat - TimeSpan.FromTicks(1));

    private async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _running.WaitAsync(TimeSpan.FromMinutes(5));
    }
}
