using System.Diagnostics.Metrics;
using System.Text;
using System.Text.Json;
using Grpc.Core;
using Grpc.Net.Client;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Remote;
using HelixFlow.Agents.Runs;
using HelixFlow.Agents.Tests.Http;
using HelixFlow.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Agents.Tests.Remote;

/// <summary>The worker of the server's own process, at the other end of a connection.</summary>
public sealed class RemoteWorkerTests
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(120);

    private static readonly StepExecutor<long, long> Double = new(
        "double", 1, EffectClass.Recorded, TestJson.Default.Int64, TestJson.Default.Int64, static (value, _, _) => Task.FromResult(2 * value));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Its_jobs_are_done_with_all_that_a_run_can_do()
    {
        await using var host = await Remote.OpenAsync();
        var job = new TestJob("greet", async (run, token) =>
        {
            long doubled = await run.StepAsync("double", Double, 21, token);
            await run.ReportAsync(50, "half", token);
            IReadOnlyList<RunRecord> children = await run.ChildrenAsync("fan", [Child("a"), Child("b")], token);
            JsonElement said = await run.SignalAsync("approval", "approve", token);
            await run.DelayAsync("pause", TimeSpan.FromMilliseconds(1), token);
            return JsonElement.Parse($"[{doubled}, {children.Count(static child => child.State == RunState.Succeeded)}, {said.GetRawText()}]");
        });
        string id = await host.Server.SubmitAsync();
        await using (host.Start(job, new TestJob("leaf", static (run, _) => Task.FromResult(run.Input))))
        {
            await host.UntilAsync(id, static run => run.State == RunState.Waiting && run.Progress == 50);
            await host.Server.Journal.SignalAsync("p", id, "approve", JsonElement.Parse("\"yes\""), Token);
            RunRecord run = await host.UntilEndedAsync(id);
            Assert.Equal((RunState.Succeeded, 1), (run.State, run.Attempt));
            Assert.Equal("[42,2,\"yes\"]", Encoding.UTF8.GetString(await host.Server.Journal.ReadAsync(run.Output!, Token)));
        }

        await Journal.Ledger.CheckAsync(host.Server.Database, Token);
    }

    [Fact]
    public async Task What_was_recorded_is_not_done_again_after_a_failure()
    {
        await using var host = await Remote.OpenAsync();
        int done = 0, attempts = 0;
        var count = new StepExecutor<long, long>("count", 1, EffectClass.Recorded, TestJson.Default.Int64, TestJson.Default.Int64, (value, _, _) =>
        {
            Interlocked.Increment(ref done);
            return Task.FromResult(value);
        });
        var job = new TestJob("greet", async (run, token) =>
        {
            for (int i = 0; i < 10; i++)
            {
                await run.StepAsync($"step/{i}", count, i, token);
            }

            return Interlocked.Increment(ref attempts) < 3 ? throw new IOException("no luck") : JsonElement.Parse("1");
        });
        string id = await host.Server.SubmitAsync(options: new RunOptions { BackoffMs = 1, MaxBackoffMs = 1 });
        await using Started worker = host.Start(job);

        RunRecord run = await host.UntilEndedAsync(id);
        Assert.Equal((RunState.Succeeded, 3, 10), (run.State, run.Attempt, done));
    }

    [Fact]
    public async Task A_job_that_is_cancelled_is_told_at_once()
    {
        await using var host = await Remote.OpenAsync();
        var begun = new TaskCompletionSource();
        var job = new TestJob("greet", async (_, token) =>
        {
            begun.TrySetResult();
            await Task.Delay(Timeout.Infinite, token);
            return default;
        });
        await using Started worker = host.Start(job);
        string id = await host.Server.SubmitAsync(options: new RunOptions { LeaseMs = 3_600_000 }); // no sign of life is due before the test has ended
        await begun.Task.WaitAsync(Guard, Token);
        await host.Server.Journal.CancelAsync("p", id, "someone", Token);

        Assert.Equal(RunState.Cancelled, (await host.UntilEndedAsync(id)).State);
    }

    [Fact]
    public async Task A_worker_that_is_stopped_hands_its_jobs_back()
    {
        await using var host = await Remote.OpenAsync();
        var begun = new TaskCompletionSource();
        var endless = new TestJob("greet", async (_, token) =>
        {
            begun.TrySetResult();
            await Task.Delay(Timeout.Infinite, token);
            return default;
        });
        string id = await host.Server.SubmitAsync();
        await using (host.Start(endless))
        {
            await begun.Task.WaitAsync(Guard, Token);
        }

        RunRecord run = (await host.Server.Journal.GetAsync("p", id, Token))!;
        Assert.Equal((RunState.Ready, 0), (run.State, run.Attempt));
        Assert.Empty(await host.Server.Journal.WorkersAsync(Token));
        await using Started second = host.Start(new TestJob("greet", static (_, _) => Task.FromResult(JsonElement.Parse("2"))));
        Assert.Equal((RunState.Succeeded, 1), ((await host.UntilEndedAsync(id)).State, (await host.UntilEndedAsync(id)).Attempt));
    }

    [Fact]
    public async Task What_is_done_while_the_database_is_away_is_written_when_it_is_back()
    {
        await using var host = await Remote.OpenAsync(expectsErrors: true);
        var begun = new TaskCompletionSource();
        var broken = new TaskCompletionSource();
        var job = new TestJob("greet", async (run, token) =>
        {
            begun.TrySetResult();
            await broken.Task;
            return JsonSerializer.SerializeToElement(await run.StepAsync("double", Double, 4, token), TestJson.Default.Int64);
        });
        await using Started worker = host.Start(job);
        string id = await host.Server.SubmitAsync();
        await begun.Task.WaitAsync(Guard, Token);
        host.Server.Database.Refuse(5);
        broken.SetResult();

        Assert.Equal((RunState.Succeeded, 1), ((await host.UntilEndedAsync(id)).State, (await host.UntilEndedAsync(id)).Attempt));
        Assert.Equal(5, host.Server.Database.Broken);
    }

    [Fact]
    public async Task Inputs_and_outputs_may_be_larger_than_a_message()
    {
        await using var host = await Remote.OpenAsync();
        string name = new('x', 9 << 20);
        string id = await host.Server.SubmitAsync(name: name);
        await using Started worker = host.Start(new TestJob("greet", static async (run, token) =>
        {
            var echo = new StepExecutor<string, string>("echo", 1, EffectClass.Pure, TestJson.Default.String, TestJson.Default.String, static (text, _, _) => Task.FromResult(text));
            string step = await run.StepAsync("echo", echo, run.Input.GetProperty("name").GetString()!, token);
            return JsonSerializer.SerializeToElement(step, TestJson.Default.String);
        }));

        RunRecord run = await host.UntilEndedAsync(id);
        Assert.Equal(RunState.Succeeded, run.State);
        Assert.Equal(name.Length + 2, (await host.Server.Journal.ReadAsync(run.Output!, Token)).Length);
    }

    [Fact]
    public async Task A_worker_is_listed_and_its_types_can_be_asked_for()
    {
        await using var host = await Remote.OpenAsync();
        await using Started worker = host.Start(new TestJob("leaf", static (run, _) => Task.FromResult(run.Input)));
        using HttpClient client = host.Server.Client();
        JsonElement listed = default;
        await host.UntilAsync(async () => (listed = (await client.AskAsync("workers")).Body.GetProperty("data")).GetArrayLength() == 1);

        Assert.Equal((Environment.MachineName, 4, "leaf"), (listed[0].Text("host"), listed[0].GetProperty("slots").GetInt32(), listed[0].GetProperty("types")[0].GetString()));
        (int status, JsonElement job) = await client.PostAsync("jobs", """{"type":"leaf","input":{"a":1}}""");
        Assert.Equal(201, status);
        Assert.Equal(RunState.Succeeded, (await host.UntilEndedAsync(job.Text("id"))).State);
    }

    [Fact]
    public async Task Whoever_has_lost_a_run_writes_nothing()
    {
        await using var host = await Remote.OpenAsync();
        RemoteJournal journal = host.NewJournal();
        string id = await host.Server.SubmitAsync();
        Lease lost = Assert.Single(await journal.ClaimAsync("first", new Dictionary<string, int> { ["greet"] = 1 }, 1, Token)).Lease;
        host.Server.Journal.ClockSkewMs += 31_000;
        Assert.False(await host.Server.Journal.TickAsync(10, Token));
        long events = (await host.Server.Journal.GetAsync("p", id, Token))!.LastEvent;
        var step = new StepRecord("a", new string('a', 64), EffectClass.Recorded, StepState.Succeeded, null, StepSource.Executed, 1, 0);
        var adopted = step with { Output = new string('b', 64), Source = StepSource.Cache };
        var error = new RunError("e", "m");

        Assert.Equal(LeaseState.Lost, await journal.ExtendAsync(lost, Token));
        Assert.False(await journal.BeginStepAsync(lost, "a", step.Digest, EffectClass.Unsafe, Token));
        Assert.False(await journal.RecordStepAsync(lost, step, "1"u8.ToArray(), null, Token));
        Assert.False(await journal.AdoptStepsAsync(lost, [adopted], Token));
        Assert.False(await journal.FailStepAsync(lost, "a", step.Digest, error, Token));
        Assert.False(await journal.ProgressAsync(lost, 1, null, null, Token));
        Assert.False(await journal.SuspendAsync(lost, new RunWait(1, [], [], false), Token));
        Assert.False(await journal.SucceedAsync(lost, "1"u8.ToArray(), Token));
        Assert.False(await journal.FailAsync(lost, error, true, Token));
        Assert.False(await journal.CancelledAsync(lost, Token));
        Assert.False(await journal.ReleaseAsync(lost, Token));
        Assert.Equal(events, (await host.Server.Journal.GetAsync("p", id, Token))!.LastEvent);
    }

    private static RunRequest Child(string name) => new() { Project = "", Type = "leaf", Input = Encoding.UTF8.GetBytes($"\"{name}\"") };

    /// <summary>A server, and workers at the other end of a connection.</summary>
    private sealed class Remote(AgentServer server) : IAsyncDisposable
    {
        private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        private readonly GrpcChannel _channel = WorkerChannel.Open(server.WorkerAddress, "w");
        private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-drafts-").FullName;
        private BlobFolder? _blobs;

        public AgentServer Server => server;

        public static async Task<Remote> OpenAsync(bool expectsErrors = false)
        {
            AgentServer server = await (expectsErrors ? AgentServer.StartFailingAsync() : AgentServer.StartAsync());
            server.StartTicking();
            return new Remote(server);
        }

        public RemoteJournal NewJournal() => new(_channel.CreateCallInvoker(), _blobs ??= new BlobFolder(_folder), TimeProvider.System, NullLogger<RemoteJournal>.Instance);

        public Started Start(params IJobType[] types)
        {
            RemoteJournal journal = NewJournal();
            var options = new WorkerOptions { Slots = 4, DrainLimit = TimeSpan.Zero };
            var worker = new Worker(journal, types, options, new WorkerMetrics(_services.GetRequiredService<IMeterFactory>()), TimeProvider.System, NullLogger<Worker>.Instance);
            return new Started(worker, journal, options.Name);
        }

        public async Task<RunRecord> UntilAsync(string id, Func<RunRecord, bool> isThere)
        {
            RunRecord run = null!;
            await UntilAsync(async () => isThere(run = (await server.Journal.GetAsync("p", id, Token))!));
            return run;
        }

        public async Task UntilAsync(Func<Task<bool>> isThere)
        {
            using var guard = CancellationTokenSource.CreateLinkedTokenSource(Token);
            guard.CancelAfter(Guard);
            while (!await isThere())
            {
                await Task.Delay(5, guard.Token);
            }
        }

        public Task<RunRecord> UntilEndedAsync(string id) => UntilAsync(id, static run => run.HasEnded);

        public async ValueTask DisposeAsync()
        {
            _channel.Dispose();
            await server.DisposeAsync();
            await _services.DisposeAsync();
            Directory.Delete(_folder, recursive: true);
        }
    }

    private sealed class Started : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly CancellationTokenSource _ended = new();
        private readonly Task _work;
        private readonly Task _follow;

        public Started(Worker worker, RemoteJournal journal, string name)
        {
            _follow = journal.FollowAsync(name, [], _ended.Token);
            _work = worker.RunAsync(_stop.Token);
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _work;
            await _ended.CancelAsync();
            await _follow;
            _stop.Dispose();
            _ended.Dispose();
        }
    }
}
