using System.Diagnostics.Metrics;
using HelixFlow.Agents.Hints;
using HelixFlow.Agents.Journal;
using Microsoft.Extensions.DependencyInjection;

namespace HelixFlow.Agents.Tests.Hints;

public sealed class HintRelayTests
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(120);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task More_hints_than_it_keeps_are_dropped_and_counted_and_nobody_waits_for_a_channel_that_does_not_take_them()
    {
        await using var host = new AgentHost();
        await using var relay = new Relay(host.Journal);
        string first = await host.RequestAsync("first");
        await relay.Channel.IsAskedAsync(); // and it does not answer

        // Each request is committed and acknowledged meanwhile; what it tells is that its type is ready and that it has changed.
        const int Requests = HintRelay.MostPending / 2 + 50;
        await Task.WhenAll(Enumerable.Range(0, Requests).Select(i => host.RequestAsync($"type-{i}")));

        await relay.Log.UntilAsync(7191);
        relay.Channel.Answer();
        await relay.UntilAsync(() => relay.Sent >= HintRelay.MostPending);
        Assert.Equal(2 + (2 * Requests), relay.Sent + relay.Dropped);
        Assert.InRange(relay.Dropped, 1, 102);
        Assert.Single(relay.Log.Lines);
        Assert.Contains(new JournalHint(JournalHintKind.Ready, "first"), relay.Channel.Taken);
        Assert.Contains(new JournalHint(JournalHintKind.Changed, first), relay.Channel.Taken);
    }

    [Fact]
    public async Task A_channel_that_fails_is_told_of_once_and_used_again()
    {
        await using var host = new AgentHost();
        await using var relay = new Relay(host.Journal);
        relay.Channel.Answer();
        relay.Channel.Fails = true;
        for (int i = 0; i < 5; i++)
        {
            await host.RequestAsync($"type-{i}");
        }

        await relay.UntilAsync(() => relay.Dropped == 10);
        Assert.Single(relay.Log.Lines, line => line.StartsWith("7191", StringComparison.Ordinal));
        relay.Channel.Fails = false;
        await host.RequestAsync("last");
        await relay.UntilAsync(() => relay.Sent == 2);

        relay.Channel.Fail(new IOException("gone"));
        relay.Channel.Fail(new IOException("still gone"));
        await relay.Log.UntilAsync(7190);
        Assert.Equal(0, relay.Connected);
        relay.Channel.Connect();
        await relay.Log.UntilAsync(7192);
        Assert.Equal(1, relay.Connected);
        Assert.Single(relay.Log.Lines, line => line.StartsWith("7190", StringComparison.Ordinal) && line.Contains("gone", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_heard_is_passed_to_the_journal_and_counted_and_after_a_connection_all_types_may_be_ready()
    {
        await using var host = new AgentHost();
        var heard = new List<string>();
        host.Journal.Ready += type => heard.Add($"ready {type}");
        host.Journal.Cancelling += id => heard.Add($"cancelling {id}");
        await using var relay = new Relay(host.Journal);

        relay.Channel.Connect();
        relay.Channel.Hear(new JournalHint(JournalHintKind.Ready, "greet"));
        relay.Channel.Hear(new JournalHint(JournalHintKind.Cancelling, "job_1"));

        Assert.Equal(["ready ", "ready greet", "cancelling job_1"], heard);
        Assert.Equal(2, relay.Heard);
    }

    /// <summary>A relay with a channel that a test stands for, and its numbers.</summary>
    private sealed class Relay : IAsyncDisposable
    {
        private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        private readonly MeterListener _listener = new();
        private readonly CancellationTokenSource _stopping = new();
        private readonly Task _work;
        private long _sent, _dropped, _heard, _connected;

        public Relay(Agents.Journal.Journal journal)
        {
            IMeterFactory factory = _services.GetRequiredService<IMeterFactory>();
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (ReferenceEquals(instrument.Meter.Scope, factory))
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => Count(instrument.Name, value));
            _listener.SetMeasurementEventCallback<int>((_, value, _, _) => Volatile.Write(ref _connected, value));
            _listener.Start();
            _work = new HintRelay(journal, Channel, new HintMetrics(factory), TimeProvider.System, Log).RunAsync(_stopping.Token);
        }

        public ScriptedChannel Channel { get; } = new();

        public HintLog Log { get; } = new();

        public long Sent => Volatile.Read(ref _sent);

        public long Dropped => Volatile.Read(ref _dropped);

        public long Heard => Volatile.Read(ref _heard);

        public long Connected => Volatile.Read(ref _connected);

        public async Task UntilAsync(Func<bool> isThere)
        {
            using var guard = CancellationTokenSource.CreateLinkedTokenSource(Token);
            guard.CancelAfter(Guard);
            while (!isThere())
            {
                await Task.Delay(5, guard.Token);
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _stopping.CancelAsync();
            await _work;
            _listener.Dispose();
            _stopping.Dispose();
            await _services.DisposeAsync();
        }

        private void Count(string name, long value)
        {
            switch (name)
            {
                case "helixflow.agents.hints.sent": Interlocked.Add(ref _sent, value); break;
                case "helixflow.agents.hints.dropped": Interlocked.Add(ref _dropped, value); break;
                case "helixflow.agents.hints.heard": Interlocked.Add(ref _heard, value); break;
            }
        }
    }

    /// <summary>A channel that takes hints, hears them and fails when the test says so.</summary>
    private sealed class ScriptedChannel : IHintChannel
    {
        private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _answers = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private Action _connected = static () => { };
        private Action<JournalHint> _heard = static _ => { };
        private Action<Exception> _failed = static _ => { };

        public string Name => "a script";

        public bool Fails { get; set; }

        public HashSet<JournalHint> Taken { get; } = [];

        public Task IsAskedAsync() => _asked.Task.WaitAsync(Guard, Token);

        public void Answer() => _answers.SetResult();

        public void Connect() => _connected();

        public void Hear(JournalHint hint) => _heard(hint);

        public void Fail(Exception exception) => _failed(exception);

        public async Task SendAsync(IReadOnlyCollection<JournalHint> hints, CancellationToken cancellationToken)
        {
            _asked.TrySetResult();
            await _answers.Task.WaitAsync(cancellationToken);
            if (Fails)
            {
                throw new IOException("on purpose");
            }

            Taken.UnionWith(hints);
        }

        public async Task ListenAsync(Action connected, Action<JournalHint> heard, Action<Exception> failed, CancellationToken cancellationToken)
        {
            (_connected, _heard, _failed) = (connected, heard, failed);
            await Task.Delay(Timeout.Infinite, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
