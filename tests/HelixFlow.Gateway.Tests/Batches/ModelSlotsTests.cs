using HelixFlow.Gateway.Batches;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Batches;

/// <summary>How many requests of batches run beside other traffic.</summary>
public sealed class ModelSlotsTests
{
    private readonly ScriptedPool _pool = new();

    [Theory]
    [InlineData(64, 0, 0, 48)]
    [InlineData(64, 20, 0, 28)]
    [InlineData(64, 40, 30, 1)]
    [InlineData(1, 0, 0, 1)]
    [InlineData(0, 0, 0, 1)]
    [InlineData(4000, 0, 0, 256)]
    public async Task Batches_take_the_share_that_others_leave_and_always_one(uint sequences, uint running, uint waiting, int limit)
    {
        var slots = new ModelSlots(_pool, new BatchOptions());
        _pool.State = Of(sequences, running, waiting);

        await slots.RefreshAsync(default);

        Assert.Equal(limit, slots.LimitOf("m"));
    }

    [Fact]
    public async Task Their_own_requests_do_not_count_as_others()
    {
        var slots = new ModelSlots(_pool, new BatchOptions());
        _pool.State = Of(8, 0, 0);
        await slots.RefreshAsync(default);
        for (int i = 0; i < 6; i++)
        {
            await slots.EnterAsync("m", default);
        }

        _pool.State = Of(8, 6, 0);
        await slots.RefreshAsync(default);
        Assert.Equal(6, slots.LimitOf("m"));
        _pool.State = Of(8, 8, 1);
        await slots.RefreshAsync(default);
        Assert.Equal(3, slots.LimitOf("m"));
    }

    [Fact]
    public async Task Who_waits_is_let_in_in_order_and_who_leaves_takes_no_place()
    {
        var slots = new ModelSlots(_pool, new BatchOptions());
        await slots.EnterAsync("m", default);
        using var gone = new CancellationTokenSource();
        Task first = slots.EnterAsync("m", gone.Token);
        Task second = slots.EnterAsync("m", default);
        Task third = slots.EnterAsync("m", default);

        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        slots.Leave("m", refused: false);
        await second.WaitAsync(TimeSpan.FromSeconds(30));

        Assert.False(third.IsCompleted);
        Assert.Equal(1, slots.InFlight);
        slots.Leave("m", refused: false);
        await third.WaitAsync(TimeSpan.FromSeconds(30));
        slots.Leave("m", refused: false);
        Assert.Equal(0, slots.InFlight);
    }

    [Fact]
    public async Task A_refusal_makes_less_room_which_comes_back()
    {
        var slots = new ModelSlots(_pool, new BatchOptions());
        _pool.State = Of(64, 0, 0);
        await slots.RefreshAsync(default);
        for (int i = 0; i < 48; i++)
        {
            await slots.EnterAsync("m", default);
        }

        slots.Leave("m", refused: true);
        Assert.Equal(24, slots.LimitOf("m"));
        var limits = new List<int>();
        for (int i = 0; i < 4; i++)
        {
            _pool.State = Of(64, (uint)slots.InFlight, 0);
            await slots.RefreshAsync(default);
            limits.Add(slots.LimitOf("m"));
        }

        Assert.Equal([30, 37, 46, 48], limits);
    }

    [Fact]
    public void Options_out_of_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new BatchOptions { Share = 0 }.Validate());
        Assert.Throws<ArgumentOutOfRangeException>(() => new BatchOptions { Share = 1.1 }.Validate());
        Assert.Throws<ArgumentOutOfRangeException>(() => new BatchOptions { CancelGrace = TimeSpan.FromMinutes(11) }.Validate());
        Assert.Throws<ArgumentOutOfRangeException>(() => new BatchOptions { MaxRequests = 0 }.Validate());
    }

    private static NodeState Of(uint sequences, uint running, uint waiting) =>
        new() { Models = { new ModelState { Name = "m", MaxSequences = sequences, Running = running, Waiting = waiting } } };
}
