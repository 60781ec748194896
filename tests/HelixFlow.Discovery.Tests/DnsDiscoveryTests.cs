using System.Net;
using System.Net.Sockets;

namespace HelixFlow.Discovery.Tests;

public sealed class DnsDiscoveryTests : IDisposable
{
    private static readonly DnsDiscoveryOptions Options = new("pool.default.svc", 7070);

    private readonly ManualTime _time = new();
    private readonly RecordedLog<DnsDiscovery> _log = new();
    private readonly SemaphoreSlim _asked = new(0);
    private ResolveHost _answer = (_, _) => Addresses();

    [Fact]
    public async Task Every_address_is_a_node_whatever_its_family()
    {
        _answer = (name, _) =>
        {
            Assert.Equal("pool.default.svc", name);
            return Addresses("10.0.0.2", "fd00::7", "10.0.0.1", "10.0.0.2", "::ffff:10.0.0.3", "fe80::1%1");
        };
        await using Watch watch = Start();

        Assert.Equal(
            "10.0.0.1:7070 http://10.0.0.1:7070, 10.0.0.2:7070 http://10.0.0.2:7070, 10.0.0.3:7070 http://10.0.0.3:7070, [fd00::7]:7070 http://[fd00::7]:7070",
            await watch.NextAsync());
    }

    [Fact]
    public async Task A_change_is_seen_at_the_next_question_and_the_same_answer_is_no_change()
    {
        _answer = (_, _) => Addresses("10.0.0.1", "10.0.0.2");
        await using Watch watch = Start();
        await watch.NextAsync();
        watch.GoOn();

        _answer = (_, _) => Addresses("10.0.0.2", "10.0.0.1");
        await AskAgainAsync();
        watch.GoOn();

        _answer = (_, _) => Addresses("10.0.0.2");
        await AskAgainAsync();
        Assert.Equal("10.0.0.2:7070 http://10.0.0.2:7070", await watch.NextAsync());
    }

    [Fact]
    public async Task Failures_keep_what_was_known_and_are_logged()
    {
        _answer = (_, _) => Addresses("10.0.0.1");
        await using Watch watch = Start();
        await watch.NextAsync();
        watch.GoOn();

        _answer = (_, _) => throw new SocketException((int)SocketError.HostNotFound);
        await AskAgainAsync();
        _answer = (_, _) => Addresses();
        await AskAgainAsync();
        _answer = (_, _) => new TaskCompletionSource<IPAddress[]>().Task;
        await AskAgainAsync();
        _time.Advance(await _time.WaitedForAsync(TimeSpan.FromSeconds(4))); // the resolver that never answers
        _answer = (_, _) => Addresses("10.0.0.1", "10.0.0.9");
        await AskAgainAsync();

        Assert.Equal("10.0.0.1:7070 http://10.0.0.1:7070, 10.0.0.9:7070 http://10.0.0.9:7070", await watch.NextAsync());
        Assert.Equal([6101, 6103, 6102], _log.Entries.Select(entry => entry.Id));
    }

    [Fact]
    public async Task A_first_question_that_fails_gives_an_empty_set()
    {
        _answer = (_, _) => throw new SocketException((int)SocketError.TryAgain);
        await using Watch watch = Start();

        Assert.Equal("", await watch.NextAsync());
        watch.GoOn();
        _answer = (_, _) => Addresses("10.0.0.1");
        await AskAgainAsync();
        Assert.Equal("10.0.0.1:7070 http://10.0.0.1:7070", await watch.NextAsync());
    }

    [Fact]
    public async Task The_systems_resolver_is_the_default()
    {
        await using var watch = new Watch(new DnsDiscovery(new DnsDiscoveryOptions("127.0.0.1", 80) { Scheme = "https" }, null, _time, _log));

        Assert.Equal("127.0.0.1:80 https://127.0.0.1:80", await watch.NextAsync());
    }

    public void Dispose() => _asked.Dispose();

    private static Task<IPAddress[]> Addresses(params string[] addresses) => Task.FromResult(addresses.Select(IPAddress.Parse).ToArray());

    private Watch Start() => new(new DnsDiscovery(Options with { Timeout = TimeSpan.FromSeconds(4) }, Resolve, _time, _log));

    private Task<IPAddress[]> Resolve(string name, CancellationToken token)
    {
        ResolveHost answer = _answer;
        _asked.Release();
        return answer(name, token);
    }

    /// <summary>Lets the interval pass, and waits until the next question has got its answer.</summary>
    private async Task AskAgainAsync()
    {
        TimeSpan left = await _time.WaitedForAsync(Options.Interval);
        while (_asked.CurrentCount > 0)
        {
            await _asked.WaitAsync(); // earlier questions
        }

        _time.Advance(left);
        Assert.True(await _asked.WaitAsync(TimeSpan.FromMinutes(5)));
    }
}
