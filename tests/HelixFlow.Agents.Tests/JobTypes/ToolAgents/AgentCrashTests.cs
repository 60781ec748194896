using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes.Agents;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Runs;
using HelixFlow.Agents.Tests.Http;
using HelixFlow.Agents.Tests.Journal;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Tests.JobTypes.ToolAgents;

/// <summary>An agent whose worker dies before and after each of its writes: it ends all the same, and no call that was recorded is made again.</summary>
public sealed class AgentCrashTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Wherever_the_worker_dies_no_recorded_call_is_made_again_and_no_order_is_placed_twice()
    {
        await using Shop shop = await Shop.StartAsync();
        (int writes, string expected) = await RunAsync(shop, 0, false);
        Assert.True(writes > 15, $"The job has only {writes} writes: the test shows little.");
        for (int write = 1; write <= writes; write++)
        {
            foreach (bool isBefore in (bool[])[true, false])
            {
                (_, string output) = await RunAsync(shop, write, isBefore);
                Assert.Equal(expected, output);
            }
        }
    }

    private static async Task<(int Writes, string Output)> RunAsync(Shop shop, int write, bool isBefore)
    {
        shop.Requests.Clear();
        await using var host = new AgentHost();
        var database = new DyingDatabase(host.Database, write, isBefore);
        var journal = host.NewJournal(database);
        using var tools = AgentRuns.Tools(new ToolOptions { Allowed = ["127.0.0.1"] });
        ScriptedModel model = AgentRuns.Model(static (call, _) => call.Messages.Count(static message => message.Role == "assistant") switch
        {
            0 => [("shop_getItem", """{"id":"1"}"""), ("shop_putItem", """{"id":"1","body":{"name":"tea"}}""")],
            1 => [("shop_createOrder", """{"body":{"item":"tea","count":1}}""")],
            2 => [("calculator", """{"expression":"1+1"}"""), ("shop_createOrder", """{"body":{"item":"tea","count":2}}"""), ("shop_deleteItem", """{"id":"1"}""")],
            _ => [],
        });
        var input = new JsonObject
        {
            ["goal"] = "Go shopping.", ["tools"] = new JsonArray(shop.Tool(), AgentRuns.Tool("calculator")), ["approval"] = new JsonObject { ["tools"] = new JsonArray("shop_deleteItem") },
        };
        string id = await AgentRuns.RequestAsync(host, model, input, tools);
        var job = new AgentJob(model, tools);
        for (int attempt = 0; attempt < 10; attempt++)
        {
            Claim claim = await host.ClaimAsync("agent");
            try
            {
                Run run = await Run.OpenAsync(journal, claim, TimeProvider.System, Token);
                JsonElement output = await job.RunAsync(run, Token);
                await run.FlushAsync();
                Assert.True(await host.Journal.SucceedAsync(claim.Lease, Encoding.UTF8.GetBytes(output.GetRawText()), Token));
                Check(shop);
                await Ledger.CheckAsync(host.Database, Token);
                return (database.Writes, output.GetProperty("transcript").GetRawText());
            }
            catch (RunSuspendedException)
            {
                Assert.Equal(AnswerOutcome.Taken, await host.Journal.AnswerAsync("p", id, "turn/3/call/3/approval", JsonElement.Parse("""{"decision":"approve","by":"Ann"}"""), Token));
            }
            catch (Crash)
            {
                database.Revive();
                await host.PassAsync(31_000); // the lease
                await host.PassAsync(400_000); // the wait for the next attempt
                journal.ClockSkewMs = host.Journal.ClockSkewMs;
                await DecideAsync(host, id, shop);
                if ((await host.GetAsync(id)).State == RunState.Waiting)
                {
                    await host.Journal.AnswerAsync("p", id, "turn/3/call/3/approval", JsonElement.Parse("""{"decision":"approve","by":"Ann"}"""), Token);
                }
            }
        }

        throw new InvalidOperationException("After 10 attempts the job has not ended.");
    }

    // A person looks at the server before saying what became of an order.
    private static async Task DecideAsync(AgentHost host, string id, Shop shop)
    {
        if ((await host.GetAsync(id)).State != RunState.Parked)
        {
            return;
        }

        StepRecord doubtful = Assert.Single(await host.Journal.StepsAsync("p", id, Token), static step => step.State == StepState.Started);
        string count = doubtful.Address.StartsWith("turn/2", StringComparison.Ordinal) ? "\"count\":1" : "\"count\":2";
        bool wasPlaced = shop.Requests.Any(request => request.Line == "POST /orders" && request.Body.Contains(count, StringComparison.Ordinal));
        byte[]? output = wasPlaced ? """{"content":"{\"order\":1}","is_error":false}"""u8.ToArray() : null;
        await host.Journal.DecideStepAsync("p", id, doubtful.Address, output is null ? null : (ReadOnlyMemory<byte>?)output, "Ann", Token);
    }

    private static void Check(Shop shop)
    {
        Dictionary<string, int> counts = shop.Requests.CountBy(static request => $"{request.Line} {request.Body}").ToDictionary();
        Assert.Equal(1, counts["""POST /orders {"item":"tea","count":1}"""]);
        Assert.Equal(1, counts["""POST /orders {"item":"tea","count":2}"""]);
        Assert.All(counts.Values, static count => Assert.InRange(count, 1, 2)); // what asks only, or has a key, may be repeated once: by the crash that lost its record
        Assert.Equal(5, counts.Count);
        Assert.True(counts.Values.Count(static count => count == 2) <= 2, "More was repeated than one turn's calls.");
        Assert.Equal(1, shop.Requests.Where(static request => request.Key is not null).Select(static request => request.Key).Distinct().Count(static key => key!.EndsWith("turn/1/call/2", StringComparison.Ordinal)));
    }

    /// <summary>A database at which a worker dies: at a certain write of its own that changes something, and at all that follow.</summary>
    private sealed class DyingDatabase(IDatabase database, int write, bool isBefore) : IDatabase
    {
        private int _writes;
        private int _isDead;

        public SqlDialect Dialect => database.Dialect;

        public int Writes => Volatile.Read(ref _writes);

        public async Task<T> WriteAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken)
        {
            ThrowIfDead();
            bool isLast = false;
            T result = await database.WriteAsync(
                session =>
                {
                    long before = session.Number("select total_changes()");
                    T value = work(session);
                    if (session.Number("select total_changes()") > before && ++_writes == write)
                    {
                        isLast = true;
                        Volatile.Write(ref _isDead, 1);
                        if (isBefore)
                        {
                            throw new Crash();
                        }
                    }

                    return value;
                },
                cancellationToken);
            return isLast ? throw new Crash() : result;
        }

        public async Task<T> ReadAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken)
        {
            ThrowIfDead();
            return await database.ReadAsync(work, cancellationToken);
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        /// <summary>The next attempt is another process, which lives.</summary>
        public void Revive() => Volatile.Write(ref _isDead, 0);

        private void ThrowIfDead() => _ = Volatile.Read(ref _isDead) == 0 ? true : throw new Crash();
    }
}
