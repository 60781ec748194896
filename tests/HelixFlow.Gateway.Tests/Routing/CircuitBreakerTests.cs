using HelixFlow.Gateway.Routing;

namespace HelixFlow.Gateway.Tests.Routing;

public sealed class CircuitBreakerTests
{
    private static readonly CircuitOptions Options = new()
    {
        ConsecutiveFailures = 3,
        FailureRatio = 0.5,
        MinimumResults = 10,
        Window = Seconds(10),
        OpenFor = Seconds(1),
        LongestOpen = Seconds(5),
    };

    private readonly CircuitBreaker _circuit = new(Options);

    [Fact]
    public void Failures_in_a_row_open_it_for_a_while_and_then_one_probe_may_go()
    {
        Run(Seconds(0), NodeResult.Failed, NodeResult.Failed, NodeResult.Failed);

        Assert.Equal(CircuitState.Open, _circuit.State(Seconds(0.9)));
        Assert.False(_circuit.Admits(Seconds(0.9)));
        Assert.Equal(CircuitState.HalfOpen, _circuit.State(Seconds(1)));
        Assert.True(_circuit.Admits(Seconds(1)));
        _circuit.Started(Seconds(1));
        Assert.False(_circuit.Admits(Seconds(1)));
        Assert.False(_circuit.Admits(Seconds(100)));
    }

    [Fact]
    public void A_success_between_failures_keeps_it_closed()
    {
        for (int round = 0; round < 4; round++)
        {
            Run(Seconds(round), NodeResult.Failed, NodeResult.Failed);
            Assert.Equal(CircuitState.Closed, _circuit.State(Seconds(round)));
            Run(Seconds(round), [.. Enumerable.Repeat(NodeResult.Succeeded, 5)]);
        }
    }

    [Fact]
    public void Many_failures_within_the_window_open_it_even_when_never_in_a_row()
    {
        for (int round = 0; round < 4; round++)
        {
            Run(Seconds(round), NodeResult.Failed, NodeResult.Succeeded);
        }

        Assert.Equal(CircuitState.Closed, _circuit.State(Seconds(4)));
        Run(Seconds(4), NodeResult.Succeeded, NodeResult.Failed);

        Assert.Equal(CircuitState.Open, _circuit.State(Seconds(4)));
    }

    [Fact]
    public void Failures_that_the_window_has_left_do_not_count()
    {
        for (int round = 0; round < 100; round++)
        {
            Run(Seconds(3 * round), NodeResult.Failed, NodeResult.Succeeded);
            Assert.Equal(CircuitState.Closed, _circuit.State(Seconds(3 * round)));
        }
    }

    [Fact]
    public void A_probe_that_succeeds_closes_it()
    {
        Open(Seconds(0));

        Run(Seconds(1), NodeResult.Succeeded);

        Assert.Equal(CircuitState.Closed, _circuit.State(Seconds(1)));
        Run(Seconds(1), NodeResult.Failed, NodeResult.Failed); // it starts from nothing
        Assert.Equal(CircuitState.Closed, _circuit.State(Seconds(1)));
    }

    [Fact]
    public void Every_probe_that_fails_doubles_the_pause_up_to_the_longest()
    {
        Open(Seconds(0));
        double now = 0;
        foreach (double pause in new[] { 1, 2, 4, 5, 5, 5 })
        {
            Assert.False(_circuit.Admits(Seconds(now + pause - 0.01)));
            now += pause;
            Assert.True(_circuit.Admits(Seconds(now)));
            Assert.Equal(Seconds(now), _circuit.OpenUntil);
            Run(Seconds(now), NodeResult.Failed);
        }
    }

    [Fact]
    public void One_that_opens_again_soon_goes_on_doubling_and_one_that_stayed_closed_begins_anew()
    {
        Open(Seconds(0));
        Run(Seconds(1), NodeResult.Succeeded);
        Open(Seconds(2));
        Assert.Equal(Seconds(4), _circuit.OpenUntil);
        Run(Seconds(4), NodeResult.Succeeded);
        Open(Seconds(14));
        Assert.Equal(Seconds(15), _circuit.OpenUntil);
    }

    [Fact]
    public void A_probe_that_says_nothing_leaves_room_for_another()
    {
        Open(Seconds(0));

        Run(Seconds(1), NodeResult.Neutral);

        Assert.True(_circuit.Admits(Seconds(1)));
        Assert.Equal(CircuitState.HalfOpen, _circuit.State(Seconds(1)));
    }

    [Fact]
    public void Results_from_before_it_opened_change_nothing()
    {
        long first = _circuit.Started(Seconds(0));
        long second = _circuit.Started(Seconds(0));
        long third = _circuit.Started(Seconds(0));
        Open(Seconds(0));

        _circuit.Record(first, NodeResult.Succeeded, Seconds(0.5));
        Assert.Equal(CircuitState.Open, _circuit.State(Seconds(0.5)));
        long probe = _circuit.Started(Seconds(1));
        _circuit.Record(second, NodeResult.Failed, Seconds(1));
        Assert.False(_circuit.Admits(Seconds(1)));
        _circuit.Record(probe, NodeResult.Succeeded, Seconds(1));
        _circuit.Record(third, NodeResult.Failed, Seconds(1));
        Run(Seconds(1), NodeResult.Failed, NodeResult.Failed);

        Assert.Equal(CircuitState.Closed, _circuit.State(Seconds(1)));
    }

    [Fact]
    public void Whatever_happens_at_most_one_request_is_there_until_it_closes()
    {
        var random = new Random(75);
        for (int round = 0; round < 200; round++)
        {
            var circuit = new CircuitBreaker(Options);
            var running = new List<(long Epoch, bool Probe)>();
            TimeSpan now = TimeSpan.Zero;
            for (int step = 0; step < 400; step++)
            {
                now += Seconds(random.NextDouble() * 0.3);
                if (circuit.Admits(now) && random.Next(2) == 0)
                {
                    CircuitState state = circuit.State(now);
                    Assert.NotEqual(CircuitState.Open, state);
                    running.Add((circuit.Started(now), state == CircuitState.HalfOpen));
                }

                if (running.Count > 0 && random.Next(2) == 0)
                {
                    int at = random.Next(running.Count);
                    circuit.Record(running[at].Epoch, (NodeResult)random.Next(3), now);
                    running.RemoveAt(at);
                }

                if (circuit.State(now) != CircuitState.Closed)
                {
                    Assert.True(running.Count(each => each.Probe) <= 1);
                }
                else
                {
                    running.RemoveAll(each => each.Probe);
                }
            }
        }
    }

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    private void Open(TimeSpan now)
    {
        Run(now, NodeResult.Failed, NodeResult.Failed, NodeResult.Failed);
        Assert.NotEqual(CircuitState.Closed, _circuit.State(now));
    }

    private void Run(TimeSpan now, params NodeResult[] results)
    {
        foreach (NodeResult result in results)
        {
            _circuit.Record(_circuit.Started(now), result, now);
        }
    }
}
