using HelixFlow.Discovery.Consul;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Discovery.Tests.Consul;

public sealed class ConsulDiscoveryTests : IAsyncLifetime
{
    private readonly ManualTime _agentTime = new();
    private readonly ManualTime _time = new();
    private readonly RecordedLog<ConsulDiscovery> _log = new();
    private ConsulDouble _consul = null!;

    public async ValueTask InitializeAsync() => _consul = await ConsulDouble.StartAsync(_agentTime);

    public async ValueTask DisposeAsync() => await _consul.DisposeAsync();

    [Fact]
    public async Task The_set_is_there_at_once_and_changes_come_when_they_happen()
    {
        Register("a", 1);
        await using Watch watch = Start();

        Assert.Equal("a http://10.0.0.1:1", await watch.NextAsync());
        watch.GoOn();
        await Waiting();
        Register("b", 2);
        Assert.Equal("a http://10.0.0.1:1, b http://10.0.0.1:2", await watch.NextAsync());
        watch.GoOn();
        await _consul.State.UntilAsync(state => state.Count("GET") == 3);
        _consul.State.Deregister("a");
        Assert.Equal("b http://10.0.0.1:2", await watch.NextAsync());
        Assert.StartsWith("GET /v1/health/service/pool?passing=true", _consul.State.Requests[0], StringComparison.Ordinal);
        Assert.Equal("GET /v1/health/service/pool?passing=true&index=11&wait=55s", _consul.State.Requests[1]);
    }

    [Fact]
    public async Task An_empty_service_is_an_empty_set()
    {
        await using Watch watch = Start();

        Assert.Equal("", await watch.NextAsync());
    }

    [Fact]
    public async Task Metadata_and_scheme_come_with_the_node()
    {
        _consul.State.Register(new ConsulDoubleState.Service
        {
            Id = "a",
            Name = "pool",
            Port = 1,
            Meta = new Dictionary<string, string> { ["scheme"] = "https", ["zone"] = "x" },
        });
        await using Watch watch = Start();

        NodeAddress node = Assert.Single(await watch.NextNodesAsync());
        Assert.Equal(new Uri("https://127.0.0.1:1"), node.Address);
        Assert.Equal("x", node.Metadata["zone"]);
    }

    [Fact]
    public async Task A_node_whose_heartbeats_end_leaves_the_set()
    {
        Register("a", 1, ttl: TimeSpan.FromSeconds(15));
        Register("b", 2);
        await using Watch watch = Start();
        await watch.NextAsync();
        watch.GoOn();
        await Waiting();

        _agentTime.Advance(TimeSpan.FromSeconds(15));

        Assert.Equal("b http://10.0.0.1:2", await watch.NextAsync());
    }

    [Fact]
    public async Task A_wait_that_ends_without_a_change_gives_no_set_and_is_asked_again()
    {
        Register("a", 1);
        await using Watch watch = Start();
        await watch.NextAsync();
        watch.GoOn();
        await Waiting();

        await _agentTime.WaitedForAsync(TimeSpan.FromSeconds(55));
        _agentTime.Advance(TimeSpan.FromSeconds(55));
        await _consul.State.UntilAsync(state => state.Count("GET") == 3);

        watch.GoOn();
    }

    [Fact]
    public async Task An_index_that_goes_backwards_is_forgotten()
    {
        Register("a", 1);
        await using Watch watch = Start();
        await watch.NextAsync();
        watch.GoOn();
        await Waiting();

        // The services are as before, the index is not: asked with the old one, the agent would be silent for ten changes.
        _consul.State.SetIndex(2);
        await _agentTime.WaitedForAsync(TimeSpan.FromSeconds(55));
        _agentTime.Advance(TimeSpan.FromSeconds(55));
        await _consul.State.UntilAsync(state => state.Count("GET") >= 3);

        Assert.DoesNotContain("index", _consul.State.Requests[2], StringComparison.Ordinal);
        _time.Advance(await _time.WaitedForAsync(TimeSpan.Zero, TimeSpan.FromSeconds(2))); // the third answer in a row is slowed down
        await _consul.State.UntilAsync(state => state.Count("GET") == 4);
        Assert.Contains("index=2&", _consul.State.Requests[3], StringComparison.Ordinal);
        Register("b", 2);
        Assert.Equal("a http://10.0.0.1:1, b http://10.0.0.1:2", await watch.NextAsync());
    }

    [Fact]
    public async Task An_agent_that_names_no_index_is_still_made_to_wait()
    {
        Register("a", 1);
        int answered = 0;
        _consul.Fault = async context =>
        {
            if (answered++ > 0)
            {
                return false;
            }

            await context.Response.WriteAsync("[]");
            return true;
        };
        await using Watch watch = Start();

        Assert.Equal("", await watch.NextAsync());
        Assert.Equal("a http://10.0.0.1:1", await watch.NextAsync());
        Assert.Contains("index=1&", _consul.State.Requests[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Changes_in_quick_succession_are_asked_for_at_a_bounded_rate()
    {
        await using Watch watch = Start();
        await watch.NextAsync();
        for (int change = 1; change <= 10; change++)
        {
            watch.GoOn();
            if (change > 2)
            {
                _time.Advance(await _time.WaitedForAsync(TimeSpan.FromSeconds(2))); // two in a row are not slowed down
            }

            await _consul.State.UntilAsync(state => state.Count("GET") == change + 1);
            Register($"n{change}", change);
            Assert.Equal(change, (await watch.NextNodesAsync()).Count);
        }
    }

    [Fact]
    public async Task An_agent_that_is_down_keeps_the_set_and_one_that_begins_anew_is_read_anew()
    {
        Register("a", 1);
        await using Watch watch = Start();
        await watch.NextAsync();
        watch.GoOn();
        await Waiting();

        await _consul.StopAsync();
        TimeSpan first = await _time.WaitedForAsync(TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(1));
        _time.Advance(first);
        TimeSpan second = await _time.WaitedForAsync(TimeSpan.FromSeconds(1) + TimeSpan.FromTicks(1), TimeSpan.FromSeconds(2));
        watch.GoOn();
        _consul.State.BeginAnew();
        Register("b", 2);
        await _consul.StartAgainAsync();
        _time.Advance(second);

        Assert.Equal("b http://10.0.0.1:2", await watch.NextAsync());
        Assert.Equal([6111, 6111], _log.Entries.Select(entry => entry.Id));
        Assert.DoesNotContain("index", _consul.State.Requests[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_agent_that_is_down_from_the_start_gives_an_empty_set()
    {
        await _consul.StopAsync();
        await using Watch watch = Start();

        Assert.Equal("", await watch.NextAsync());
        watch.GoOn();
        Register("a", 1);
        await _consul.StartAgainAsync();
        _time.Advance(await _time.WaitedForAsync(TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(1)));
        Assert.Equal("a http://10.0.0.1:1", await watch.NextAsync());
    }

    [Fact]
    public async Task An_agent_that_does_not_answer_is_given_up_after_its_time()
    {
        var asked = new TaskCompletionSource();
        _consul.Fault = async context =>
        {
            asked.TrySetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };
        await using Watch watch = Start();
        Task<string> next = watch.NextAsync();
        await asked.Task;

        _time.Advance(TimeSpan.FromSeconds(9));
        Assert.False(next.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal("", await next);
        Assert.Contains("no answer within 00:00:10", Assert.Single(_log.Entries).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(200, "[{ \"Service\": ")]
    [InlineData(200, "<html>a proxy's page</html>")]
    [InlineData(500, "No cluster leader")]
    [InlineData(403, "Permission denied")]
    [InlineData(302, "")]
    public async Task Answers_that_cannot_be_used_keep_the_set(int status, string body)
    {
        Register("a", 1);
        await using Watch watch = Start();
        await watch.NextAsync();
        watch.GoOn();
        await Waiting();
        _consul.Fault = async context =>
        {
            if (context.Request.Path.Value!.EndsWith("/other", StringComparison.Ordinal))
            {
                return false; // who followed the redirect would find an empty service
            }

            context.Response.StatusCode = status;
            context.Response.Headers.Location = "/v1/health/service/other";
            await context.Response.WriteAsync(body);
            return true;
        };
        Register("b", 2); // ends the wait under way, with a good answer
        await watch.NextAsync();
        watch.GoOn();
        TimeSpan pause = await _time.WaitedForAsync(TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(1));
        watch.GoOn();
        _consul.Fault = null;
        _consul.State.Deregister("b");
        _time.Advance(pause);

        Assert.Equal("a http://10.0.0.1:1", await watch.NextAsync());
        Assert.Equal(6111, Assert.Single(_log.Entries).Id);
    }

    [Fact]
    public async Task Tag_and_datacenter_are_asked_for()
    {
        _consul.State.Register(new ConsulDoubleState.Service { Id = "a", Name = "pool", Address = "h", Port = 1, Tags = ["gpu 1"] });
        Register("b", 2);
        await using Watch tagged = Start(Options() with { Tag = "gpu 1", Agent = new ConsulAgentOptions(_consul.Url) { Datacenter = "dc1" } });
        await using Watch elsewhere = Start(Options() with { Agent = new ConsulAgentOptions(_consul.Url) { Datacenter = "dc2" } });

        Assert.Equal("a http://h:1", await tagged.NextAsync());
        Assert.Equal("", await elsewhere.NextAsync());
        Assert.Contains("No path to datacenter", Assert.Single(_log.Entries).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("right", "a http://10.0.0.1:1", 0)]
    [InlineData("wrong", "", 6111)]
    [InlineData(null, "", 6112)]
    public async Task The_token_decides_what_is_seen(string? token, string seen, int logged)
    {
        await using ConsulDouble guarded = await ConsulDouble.StartAsync(_agentTime, token: "right");
        guarded.State.Register(new ConsulDoubleState.Service { Id = "a", Name = "pool", Address = "10.0.0.1", Port = 1 });
        await using Watch watch = Start(Options() with { Agent = new ConsulAgentOptions(guarded.Url) { Token = token } });

        Assert.Equal(seen, await watch.NextAsync());
        Assert.Equal(logged, _log.Entries.FirstOrDefault().Id);
    }

    [Fact]
    public async Task Instances_that_cannot_be_reached_are_logged()
    {
        Register("a", 1);
        Register("portless", 0);
        await using Watch watch = Start();

        Assert.Equal("a http://10.0.0.1:1", await watch.NextAsync());
        Assert.Equal(6113, Assert.Single(_log.Entries).Id);
    }

    private ConsulDiscoveryOptions Options() => new(new ConsulAgentOptions(_consul.Url), "pool");

    private Watch Start(ConsulDiscoveryOptions? options = null) => new(new ConsulDiscovery(options ?? Options(), _time, new Random(1), _log));

    private void Register(string id, int port, TimeSpan? ttl = null) =>
        _consul.State.Register(new ConsulDoubleState.Service { Id = id, Name = "pool", Address = "10.0.0.1", Port = port, Ttl = ttl });

    /// <summary>The second question, which waits for a change, has come.</summary>
    private Task Waiting() => _consul.State.UntilAsync(state => state.Requests.Any(request => request.Contains("index=", StringComparison.Ordinal)));
}
