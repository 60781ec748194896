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
        ValueTask<bool> moved = PacedEvents.MoveNextAsync(events, Interval, _time, () => Task.FromResult(silences++));

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
        ValueTask<bool> moved = PacedEvents.MoveNextAsync(events, Interval, _time, () =>
        {
            _next.TrySetResult();
            return Task.CompletedTask;
        });

        await _time.ArmedAsync(1);
        _time.Advance(Interval);

        Assert.True(await moved);
    }

    [Fact]
    public async Task When_the_client_leaves_during_a_comment_the_events_can_still_be_disposed()
    {
        // An enumerator that is waiting for its next event must not be disposed: the compiler's throw NotSupportedException.
        IAsyncEnumerator<GenerateEvent> events = Events().GetAsyncEnumerator();
        ValueTask<bool> moved = PacedEvents.MoveNextAsync(events, Interval, _time, () => throw new OperationCanceledException("the client left"));
        await _time.ArmedAsync(1);
        _time.Advance(Interval);

        Task<bool> outcome = moved.AsTask();
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
