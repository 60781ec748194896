using System.Diagnostics.Metrics;
using System.Globalization;
using HelixFlow.Agents.CrashHost;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Journal;
using HelixFlow.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Agents.Tests.Crashes.Trials;

/// <summary>The oracle has no objection to a journal as it should be, and objects by the right rule to each way in which it can be wrong.</summary>
public sealed class OracleTests : IAsyncLifetime
{
    private const string Job = "(select number from runs where request_key = 'job 0')";
    private const string Last = "(select max(seq) from events where run = (select number from runs where request_key = 'job 0'))";
    private const string First = "(select run from trace where state = 2 order by position limit 1)";

    private readonly HashSet<string> _cancelled = [];
    private List<Acknowledgement> _acknowledged = [];
    private TrialSource _source = null!;
    private TrialStore _store = null!;
    private IDatabase _database = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _source = await TrialSource.CreateAsync(TrialKind.Embedded);
        _store = await _source.MakeAsync();
        _database = _store.Open();
        await WorkAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        await _store.DisposeAsync();
        await _source.DisposeAsync();
    }

    [Fact]
    public async Task A_journal_as_it_should_be_meets_no_objection()
    {
        Assert.Empty(await CheckAsync());
        Evidence evidence = await LoadAsync();
        var order = new QueueOrder(evidence.Runs, evidence.Queue, TrialHost.Sharing().AgeingMs);
        Assert.Empty(order.Check());
        Assert.True(order.Compared >= 5, $"Only {order.Compared} claims had others beside them: the test shows little.");
    }

    /// <summary>The rule that objects, what is wrong, and how it is made so.</summary>
    public static TheoryData<string, string, string> Spoilings { get; } = new()
    {
        { "one end", "A second end", $"insert into events select run, seq + 1, at, kind, version, body from events where run = {Job} and seq = {Last}" },
        {
            "one end", "Something after the end",
            $$"""insert into events select run, seq + 1, at, 'Progressed', 1, '{"percent":1}' from events where run = {{Job}} and seq = {{Last}}"""
        },
        { "one end", "No end", $"delete from events where run = {Job} and seq = {Last}" },
        { "numbers", "A gap", $"delete from events where run = {Job} and kind = 'Progressed'" },
        { "fold", "A row that is not what the events tell", $"update runs set progress = 7 where number = {Job}" },
        {
            "fold", "A step that no event tells of",
            $"""
            insert into steps select run, 'other', digest, class, state, output, source, fence, seq, started_at, ended_at
            from steps where run = {Job} limit 1
            """
        },
        { "acknowledged", "A job that is gone", $"delete from runs where number = {Job}" },
        { "acknowledged", "Another outcome than the code's", $$"""update runs set state = 6, error = '{"code":"lost","message":""}' where number = {{Job}}""" },
        {
            "one record", "A step that is recorded twice",
            $"""
            update events set body = (select body from events where run = {Job} and kind = 'StepSucceeded' and body like '%"address":"1"%')
            where run = {Job} and kind = 'Progressed'; update events set kind = 'StepSucceeded' where run = {Job} and kind = 'Progressed'
            """
        },
        {
            "zombie", "A record under an older claim",
            $"""update events set body = replace(body, '"fence":1', '"fence":2') where run = {Job} and kind = 'AttemptStarted'"""
        },
        { "zombie", "Progress under an older claim", $"update events set body = replace(body, 'under 1', 'under 0') where run = {Job} and kind = 'Progressed'" },
        {
            "doubt", "A claim although a step is in doubt",
            $$"""update events set kind = 'StepStarted', body = '{"address":"x","digest":"d","class":"Unsafe"}' where run = {{Job}} and seq = 1"""
        },
        {
            "doubt", "A step that is begun although it is recorded",
            $"""
            update events set kind = 'StepStarted', body = (select body from events where run = {Job} and kind = 'StepStarted')
            where run = {Job} and kind = 'Progressed'
            """
        },
        {
            "doubt", "An end although a step is in doubt",
            $"""update events set kind = 'Progressed' where run = {Job} and kind = 'StepSucceeded' and body like '%"class":"Unsafe"%'"""
        },
        { "priority", "A lower class that was claimed first", $"update trace set priority = 3 where run = {First}" },
        { "priority", "A later tag that was claimed first", $"update trace set share = share + 1000000000 where run = {First}" },
        { "ageing", "A rise too early", "update trace set priority = 0 where position = (select max(position) from trace where state = 1)" },
        { "first in, first out", "A tag that was given before", "update trace set share = 0 where position = (select max(position) from trace where state = 1)" },
    };

    [Theory]
    [MemberData(nameof(Spoilings))]
    public async Task What_is_wrong_with_a_journal_is_found(string rule, string what, string sql)
    {
        await _database.WriteAsync(
            session =>
            {
                foreach (string statement in sql.Split("; "))
                {
                    Assert.True(session.Execute(statement) > 0, $"{what}: nothing was changed by {statement}");
                }

                return 0;
            },
            Token);

        Assert.Contains(await CheckAsync(), violation => violation.Rule == rule);
    }

    [Fact]
    public async Task A_job_under_two_ids_is_found()
    {
        _acknowledged.Add(_acknowledged[0] with { Run = _acknowledged[1].Run });

        Assert.Contains(await CheckAsync(), static violation => violation.Rule == "acknowledged");
    }

    [Theory]
    [InlineData("unsafe", "3", 2)]
    [InlineData("one effect", "1", 1)] // twice under one claim
    [InlineData("one effect", "1", 2)] // again after it was recorded
    public async Task An_effect_that_took_place_once_more_is_found(string rule, string address, long fence)
    {
        Effect known = Effect.In(_store.Effects).Find(effect => effect.Run == _acknowledged[0].Run && effect.Address == address)!;
        Effect.Leave(_store.Effects, known.Run, known.Address, known.Class, fence);
        if (fence > 1)
        {
            // A later claim, for which everything was recorded.
            await _database.WriteAsync(
                static session => session.Execute(
                    $$"""update events set kind = 'AttemptStarted', body = '{"attempt":2,"fence":2,"worker":"w"}' where run = {{Job}} and seq = {{Last}} - 1"""),
                Token);
        }

        Assert.Contains(await CheckAsync(), violation => violation.Rule == rule);
    }

    [Fact]
    public async Task A_record_of_what_nobody_has_done_is_found()
    {
        Effect known = Effect.In(_store.Effects).Find(effect => effect.Run == _acknowledged[0].Run && effect.Address == "1")!;
        File.Delete(Path.Combine(_store.Effects, known.Name));

        Assert.Contains(await CheckAsync(), static violation => violation.Rule == "true records");
    }

    [Fact]
    public void A_claim_may_leave_a_run_behind_only_when_a_transaction_beside_it_may_have_had_it_locked()
    {
        // Run 2 of the higher class waits since transaction 10; run 1 is claimed by transaction 20.
        List<QueueNote> Queue(string seen, string seenNow, params long[] others) =>
        [
            Note(1, 1, RunState.Ready, RunPriority.Normal, 9), Note(2, 2, RunState.Ready, RunPriority.High, 10),
            Note(3, 1, RunState.Running, RunPriority.Normal, 20) with { Seen = Snapshot.Parse(seen), SeenNow = Snapshot.Parse(seenNow), Others = others },
        ];
        RunEvidence[] runs = [Evidence(1), Evidence(2)];

        Assert.Equal("priority", Assert.Single(Check(Queue("20:20:", "20:20:"))).Rule);
        Assert.Empty(Check(Queue("20:20:10", "20:20:10"))); // it could not be seen yet
        Assert.Empty(Check(Queue("15:20:15", "20:20:"))); // 15 left no trace
        Assert.Empty(Check(Queue("20:20:", "20:22:"))); // 21 came and went meanwhile
        Assert.Empty(Check(Queue("20:20:", "20:20:", 30))); // 30 was under way
        List<QueueNote> other = [.. Queue("15:20:15", "20:20:"), Note(4, 3, RunState.Ready, RunPriority.Low, 15)];
        Assert.Equal("priority", Assert.Single(Check(other)).Rule); // 15 did something else
        Assert.Empty(Check([.. Queue("15:20:15", "20:20:"), Note(4, 2, RunState.Running, RunPriority.High, 15)])); // 15 took it

        List<Violation> Check(List<QueueNote> queue) => [.. new QueueOrder([.. runs, Evidence(3)], queue, 1000).Check()];

        static QueueNote Note(long position, long run, RunState state, RunPriority priority, long transaction) =>
            new(position, run, state, priority, position, 0, transaction, Snapshot.Parse("1:1:"), Snapshot.Parse("1:1:"), []);

        static RunEvidence Evidence(long number) => new(
            new RunRecord
            {
                Number = number, Id = $"job_{number}", Project = $"p{number}", Type = "t", State = RunState.Running, Priority = RunPriority.Normal, Input = "",
                Options = new RunOptions(),
            },
            []);
    }

    [Fact]
    public void A_number_says_the_same_schedule_each_time()
    {
        foreach (int seed in Enumerable.Range(1, 200))
        {
            Assert.Equal(FaultSchedule.Of(seed).ToString(), FaultSchedule.Of(seed).ToString());
        }

        IEnumerable<FaultKind> met = Enumerable.Range(1, 2_000).SelectMany(static seed => FaultSchedule.Of(seed).Faults).Select(static fault => fault.Kind);
        Assert.Equal(Enum.GetValues<FaultKind>().Order(), met.Distinct().Order());
    }

    /// <summary>Jobs of all classes and both projects wait, and a worker does them, one at a time.</summary>
    private async Task WorkAsync()
    {
        Agents.Journal.Journal journal = _store.JournalOn(_database, 0);
        TrialMove[] all =
            [TrialMove.Progress, TrialMove.Recorded, TrialMove.Shared, TrialMove.Unsafe, TrialMove.Branch, TrialMove.Artifact, TrialMove.Progress];
        for (int i = 0; i < 8; i++)
        {
            TrialMove[] moves = i switch { 0 => all, 1 => [TrialMove.Hopeless], _ => [TrialMove.Pure] };
            var request = new TrialRequest(
                string.Create(CultureInfo.InvariantCulture, $"job {i}"), i % 2 == 0 ? "a" : "b", TrialJob.TypeName, (RunPriority)(i % 4), moves, 60_000);
            _acknowledged.Add(new Acknowledgement(request, (await journal.RequestAsync(request.ToRequest(), Token)).Run!.Id));
        }

        await using ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var worker = new Worker(
            journal, [new TrialJob(_store.Effects)], new WorkerOptions { Slots = 1 }, new WorkerMetrics(services.GetRequiredService<IMeterFactory>()),
            TimeProvider.System, NullLogger<Worker>.Instance);
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(Token);
        Task work = worker.RunAsync(stopping.Token);
        while (await _database.ReadAsync(static session => session.Number("select count(*) from runs where state < 4"), Token) > 0)
        {
            await Task.Delay(5, Token);
        }

        await stopping.CancelAsync();
        await work;
    }

    private Task<Evidence> LoadAsync() => Evidence.LoadAsync(_store, _database, _acknowledged, _cancelled);

    private async Task<List<Violation>> CheckAsync() => Oracle.Check(await LoadAsync());
}
