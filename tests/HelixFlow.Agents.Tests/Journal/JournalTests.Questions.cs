using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Tests.Journal;

public abstract partial class JournalTests
{
    private static readonly JsonElement Question = JsonElement.Parse("""{"tool":"buy"}""");
    private static readonly JsonElement Yes = JsonElement.Parse("""{"decision":"approve"}""");

    [Fact]
    public async Task A_question_that_nobody_answers_in_time_is_answered_by_a_rejection_once()
    {
        await using var host = new Host(Open());
        string id = await AskingAsync(host, new QuestionExpiry(TimeSpan.FromMinutes(1)));
        QuestionRecord asked = Assert.Single(await host.Journal.QuestionsAsync("p", id, Token));
        Assert.Equal((asked.AskedAt + 60_000, false), (asked.ExpiresAt, asked.HasExpired));
        await host.PassAsync(59_000);
        Assert.Equal(RunState.Waiting, (await host.GetAsync(id)).State);
        await host.PassAsync(2_000);
        await host.PassAsync(60_000);

        Assert.Equal(RunState.Ready, (await host.GetAsync(id)).State);
        QuestionRecord expired = Assert.Single(await host.Journal.QuestionsAsync("p", id, Token));
        Assert.True(expired.HasExpired);
        Assert.Equal("""{"decision":"reject","reason":"Nobody has answered within 60 s.","by":"expiry","expired":true}""", expired.Answer!.Value.GetRawText());
        Assert.Equal(AnswerOutcome.Expired, await host.Journal.AnswerAsync("p", id, "gate", Yes, Token));
        Assert.Single(await host.KindsAsync(id), "QuestionExpired");
        JsonElement answer = await AttemptAsync(host, new QuestionExpiry(TimeSpan.FromMinutes(1)));
        Assert.Equal("reject", answer.GetProperty("decision").GetString());
    }

    [Fact]
    public async Task An_answer_in_time_counts_and_nothing_expires_after_it()
    {
        await using var host = new Host(Open());
        string id = await AskingAsync(host, new QuestionExpiry(TimeSpan.FromMinutes(1), Fails: true));
        Assert.Equal(AnswerOutcome.Taken, await host.Journal.AnswerAsync("p", id, "gate", Yes, Token));
        await host.PassAsync(120_000);

        Assert.DoesNotContain("QuestionExpired", await host.KindsAsync(id));
        Assert.Equal("approve", (await AttemptAsync(host, new QuestionExpiry(TimeSpan.FromMinutes(1), Fails: true))).GetProperty("decision").GetString());
        Assert.Equal(AnswerOutcome.Answered, await host.Journal.AnswerAsync("p", id, "gate", Yes, Token));
    }

    [Fact]
    public async Task An_answer_that_comes_too_late_is_refused_also_when_nobody_has_looked_at_the_clock_yet()
    {
        await using var host = new Host(Open());
        string id = await AskingAsync(host, new QuestionExpiry(TimeSpan.FromMinutes(1)));
        host.Journal.ClockSkewMs += 61_000;

        Assert.Equal(AnswerOutcome.Expired, await host.Journal.AnswerAsync("p", id, "gate", Yes, Token));
        Assert.Equal(RunState.Ready, (await host.GetAsync(id)).State);
    }

    [Fact]
    public async Task A_question_without_an_end_is_open_for_ever()
    {
        await using var host = new Host(Open());
        string id = await AskingAsync(host, null);
        await host.PassAsync(1000L * 86_400_000);

        Assert.Equal((0, false), ((await host.Journal.QuestionsAsync("p", id, Token))[0].ExpiresAt, (await host.Journal.QuestionsAsync("p", id, Token))[0].HasExpired));
        Assert.Equal(AnswerOutcome.Taken, await host.Journal.AnswerAsync("p", id, "gate", Yes, Token));
    }

    [Fact]
    public async Task A_run_that_fails_because_nobody_has_answered_asks_anew_when_it_is_requeued()
    {
        await using var host = new Host(Open());
        var expiry = new QuestionExpiry(TimeSpan.FromMinutes(1), Fails: true);
        string id = await AskingAsync(host, expiry);
        await host.PassAsync(61_000);
        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        JobFailedException failed = await Assert.ThrowsAsync<JobFailedException>(() => AskAsync(host, claim, expiry));
        Assert.Equal("question_expired", failed.Code);
        await host.Journal.FailAsync(claim.Lease, new RunError(failed.Code, failed.Message), true, Token);
        await host.Journal.RequeueAsync("p", id, null, "somebody", Token);

        await Assert.ThrowsAsync<RunSuspendedException>(async () => await AskAsync(host, Assert.Single(await host.ClaimAsync("t")), expiry));
        Assert.Equal([true, false], (await host.Journal.QuestionsAsync("p", id, Token)).Select(static question => question.HasExpired));
        Assert.Equal(AnswerOutcome.Taken, await host.Journal.AnswerAsync("p", id, "gate", Yes, Token));
        Assert.Equal("approve", (await AttemptAsync(host, expiry)).GetProperty("decision").GetString());
    }

    [Fact]
    public async Task What_a_cancelled_run_has_asked_does_not_expire_until_it_asks_again()
    {
        await using var host = new Host(Open());
        var expiry = new QuestionExpiry(TimeSpan.FromMinutes(1));
        string id = await AskingAsync(host, expiry);
        await host.Journal.CancelAsync("p", id, "somebody", Token);
        await host.PassAsync(120_000);
        Assert.DoesNotContain("QuestionExpired", await host.KindsAsync(id));
        await host.Journal.RequeueAsync("p", id, null, "somebody", Token);
        await Assert.ThrowsAsync<RunSuspendedException>(async () => await AskAsync(host, Assert.Single(await host.ClaimAsync("t")), expiry));
        await host.PassAsync(59_000);
        Assert.Equal(RunState.Waiting, (await host.GetAsync(id)).State);
        await host.PassAsync(2_000);

        Assert.True(Assert.Single(await host.Journal.QuestionsAsync("p", id, Token)).HasExpired);
    }

    /// <summary>A run that waits for an answer; its id.</summary>
    private static async Task<string> AskingAsync(Host host, QuestionExpiry? expiry)
    {
        string id = (await host.RequestAsync("t")).Run!.Id;
        await Assert.ThrowsAsync<RunSuspendedException>(async () => await AskAsync(host, Assert.Single(await host.ClaimAsync("t")), expiry));
        return id;
    }

    private static async Task<JsonElement> AttemptAsync(Host host, QuestionExpiry? expiry) => await AskAsync(host, Assert.Single(await host.ClaimAsync("t")), expiry);

    private static async Task<JsonElement> AskAsync(Host host, Claim claim, QuestionExpiry? expiry) =>
        await (await Run.OpenAsync(host.Journal, claim, TimeProvider.System, Token)).AskAsync("gate", Question, expiry, Token);
}
