using System.Text;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Journal;

/// <summary>Calls that are sent twice, the second time perhaps much later.</summary>
public abstract partial class JournalTests
{
    [Fact]
    public async Task A_step_that_is_recorded_cannot_be_begun_again()
    {
        await using var host = new Host(Open());
        string id = (await host.RequestAsync("t")).Run!.Id;
        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        Assert.True(await host.Journal.BeginStepAsync(claim.Lease, "send", "d", EffectClass.Unsafe, Token));
        Assert.True(await host.Journal.BeginStepAsync(claim.Lease, "send", "d", EffectClass.Unsafe, Token)); // the first answer was lost
        Assert.True(await host.Journal.RecordStepAsync(claim.Lease, Step("send") with { Class = EffectClass.Unsafe }, Json("\"sent\""), null, Token));

        Assert.False(await host.Journal.BeginStepAsync(claim.Lease, "send", "d", EffectClass.Unsafe, Token));
        StepRecord step = Assert.Single(await host.Journal.StepsAsync("p", id, Token));
        Assert.Equal(StepState.Succeeded, step.State);
        Assert.Equal("\"sent\"", Encoding.UTF8.GetString(await host.Journal.ReadAsync(step.Output!, Token)));
        Assert.Equal(["Requested", "AttemptStarted", "StepStarted", "StepStarted", "StepSucceeded"], await host.KindsAsync(id));
    }

    [Fact]
    public async Task A_run_that_a_worker_stops_although_nobody_wants_its_end_is_given_back()
    {
        await using var host = new Host(Open());
        string id = (await host.RequestAsync("t")).Run!.Id;
        Claim claim = Assert.Single(await host.ClaimAsync("t"));

        Assert.True(await host.Journal.CancelledAsync(claim.Lease, Token));
        RunRecord run = await host.GetAsync(id);
        Assert.Equal((RunState.Ready, 0), (run.State, run.Attempt));

        Claim again = Assert.Single(await host.ClaimAsync("t"));
        await host.Journal.CancelAsync("p", id, "someone", Token);
        Assert.False(await host.Journal.CancelledAsync(claim.Lease, Token));
        Assert.True(await host.Journal.CancelledAsync(again.Lease, Token));
        Assert.Equal(RunState.Cancelled, (await host.GetAsync(id)).State);
    }
}
