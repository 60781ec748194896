using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests;

public sealed class PacedEventsTests
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);

    private readonly ManualTime _time = new();
    private readonly TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    [Fact]
    public async Task Each_interval_of_silence_is_reported_once_and_the_event_still_comes()
    {
        await using IAsyncEnumerator<GenerateEvent> events = Events().GetAsyncEnumerator();
        int silences = 0;
        using var paced = new PacedEvents(events, Interval, _time, static () => ValueTask.CompletedTask, () => Task.FromResult(silences++));
        ValueTask<bool> moved = paced.MoveNextAsync();

        for (int interval = 1; interval <= 3; interval++)
        {
            await _time.ArmedAsync(interval);
            _time.Advance(Interval);
        }

        await _time.ArmedAsync(4);
        _next.SetResult();

        Assert.True(await moved);
        Assert.Equal(3, silences);
        Assert.Equal("late", events.Current.Token.Text);
    }

    [Fact]
    public async Task An_event_that_comes_during_a_comment_is_not_lost()
    {
        await using IAsyncEnumerator<GenerateEvent> events = Events().GetAsyncEnumerator();
        using var paced = new PacedEvents(events, Interval, _time, static () => ValueTask.CompletedTask, () =>
        {
            _next.TrySetResult();
            return Task.CompletedTask;
        });
        ValueTask<bool> moved = paced.MoveNextAsync();

        await _time.ArmedAsync(1);
        _time.Advance(Interval);

        Assert.True(await moved);
    }

    [Fact]
    public async Task When_the_client_leaves_during_a_comment_the_events_can_still_be_disposed()
    {
        // An enumerator that is waiting for its next event must not be disposed: the compiler's throw NotSupportedException.
        IAsyncEnumerator<GenerateEvent> events = Events().GetAsyncEnumerator();
        using var paced = new PacedEvents(events, Interval, _time, static () => ValueTask.CompletedTask, () => throw new OperationCanceledException("the client left"));
        ValueTask<bool> moved = paced.MoveNextAsync();
        await _time.ArmedAsync(1);
        _time.Advance(Interval);

        Task<bool> outcome = moved.AsTask();
        _next.SetResult();

        await Assert.ThrowsAsync<OperationCanceledException>(() => outcome);
        await events.DisposeAsync();
    }

    [Fact]
    public async Task Silence_is_counted_from_the_latest_event()
    {
        var second = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using IAsyncEnumerator<GenerateEvent> events = Two().GetAsyncEnumerator();
        int silences = 0;
        using var paced = new PacedEvents(events, Interval, _time, static () => ValueTask.CompletedTask, () => Task.FromResult(silences++));
        ValueTask<bool> moved = paced.MoveNextAsync();
        _time.Advance(Interval / 2);
        _next.SetResult();
        Assert.True(await moved);

        ValueTask<bool> again = paced.MoveNextAsync();
        _time.Advance(Interval / 2); // the timer of the first wait runs out
        await _time.ArmedAsync(2);
        Assert.Equal(0, silences);
        _time.Advance(Interval / 2);
        await _time.ArmedAsync(3);
        Assert.Equal(1, silences);
        second.SetResult();
        Assert.True(await again);

        async IAsyncEnumerable<GenerateEvent> Two()
        {
            await _next.Task;
            yield return ScriptedPool.Token("one");
            await second.Task;
            yield return ScriptedPool.Token("two");
        }
    }

    [Fact]
    public async Task What_was_written_is_sent_before_an_event_is_waited_for_and_not_while_events_are_there()
    {
        await using IAsyncEnumerator<GenerateEvent> events = Ready().GetAsyncEnumerator();
        int sent = 0;
        using var paced = new PacedEvents(events, Interval, _time, () =>
        {
            sent++;
            return ValueTask.CompletedTask;
        }, static () => Task.CompletedTask);
        Assert.True(await paced.MoveNextAsync());
        Assert.True(await paced.MoveNextAsync());
        Assert.Equal(0, sent);
        ValueTask<bool> moved = paced.MoveNextAsync();
        Assert.Equal(1, sent);
        _next.SetResult();
        Assert.True(await moved);
        Assert.Equal(1, sent);

        async IAsyncEnumerable<GenerateEvent> Ready()
        {
            yield return ScriptedPool.Token("one");
            yield return ScriptedPool.Token("two");
            await _next.Task;
            yield return ScriptedPool.Token("three");
        }
    }

    [Fact]
    public async Task When_sending_fails_the_events_can_still_be_disposed()
    {
        IAsyncEnumerator<GenerateEvent> events = Events().GetAsyncEnumerator();
        using var paced = new PacedEvents(events, Interval, _time, static () => throw new OperationCanceledException("the client left"), static () => Task.CompletedTask);
        Task<bool> outcome = paced.MoveNextAsync().AsTask();
        Assert.False(outcome.IsCompleted);
        _next.SetResult();

        await Assert.ThrowsAsync<OperationCanceledException>(() => outcome);
        await events.DisposeAsync();
    }

    private async IAsyncEnumerable<GenerateEvent> Events()
    {
        await _next.Task;
        yield return ScriptedPool.Token("late");
    }
}
