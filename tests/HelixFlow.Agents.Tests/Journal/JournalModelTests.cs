using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Tests.Remote;

namespace HelixFlow.Agents.Tests.Journal;

/// <summary>Random operations by several workers and clients, in any order and with leases that are long lost; after each the journal must still be right.</summary>
public sealed class JournalModelTests
{
    private const int Operations = 800;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(3, false)]
    [InlineData(4, false)]
    [InlineData(5, false)]
    [InlineData(6, false)]
    [InlineData(7, true)]
    [InlineData(8, true)]
    [InlineData(9, true)]
    public async Task Whatever_happens_in_whatever_order_the_journal_stays_right(int seed, bool isRemote)
    {
        await using var host = new AgentHost();
        await using JournalServer? server = isRemote ? await JournalServer.StartAsync(host.Journal) : null;
        var model = new Model(host, server?.Client ?? (IRunJournal)host.Journal, new Random(seed));
        for (int i = 0; i < Operations; i++)
        {
            await model.StepAsync();
            if (i % 25 == 24)
            {
                await Ledger.CheckAsync(host.Database, Token);
            }
        }

        await model.EndAllAsync();
        await Ledger.CheckAsync(host.Database, Token);
        Assert.True(model.Written > 50 && model.Refused > 10, $"{model.Written} writes were taken and {model.Refused} refused: the test shows little.");
    }

    private sealed class Model(AgentHost host, IRunJournal workers, Random random)
    {
        private static readonly string[] Types = ["a", "b"];
        private static readonly string Digest = new('d', 64);

        private readonly List<string> _runs = [];
        private readonly List<Lease> _leases = [];

        /// <summary>Writes under leases that held, and under leases that did not.</summary>
        public int Written { get; private set; }

        public int Refused { get; private set; }

        private Agents.Journal.Journal Journal => host.Journal;

        public async Task StepAsync()
        {
            switch (random.Next(20))
            {
                case 0 or 1 or 2:
                    await RequestAsync();
                    break;
                case 3 or 4 or 5:
                    await ClaimAsync();
                    break;
                case 6:
                    await host.PassAsync(random.Next(3) == 0 ? random.Next(1, 400_000) : random.Next(1, 3_000));
                    break;
                case 7 when _runs.Count > 0:
                    await Journal.SignalAsync("p", Pick(_runs), "s", JsonElement.Parse($"{random.Next(9)}"), Token);
                    break;
                case 8 when _runs.Count > 0 && random.Next(3) == 0:
                    await Journal.CancelAsync("p", Pick(_runs), "someone", Token);
                    break;
                case 9 when _runs.Count > 0:
                    await Journal.RequeueAsync("p", Pick(_runs), random.Next(2) == 0 ? Json(random.Next(3)) : (ReadOnlyMemory<byte>?)null, "someone", Token);
                    break;
                case 10 when _runs.Count > 0:
                    await Journal.DecideStepAsync("p", Pick(_runs), Address(), random.Next(2) == 0 ? Json(1) : (ReadOnlyMemory<byte>?)null, "someone", Token);
                    break;
                default:
                    if (_leases.Count > 0)
                    {
                        await WriteAsync(_leases[random.Next(3) > 0 ? _leases.Count - 1 - random.Next(Math.Min(3, _leases.Count)) : random.Next(_leases.Count)]);
                    }

                    break;
            }
        }

        /// <summary>Nothing stays open for ever when its end is wanted.</summary>
        public async Task EndAllAsync()
        {
            foreach (string id in _runs)
            {
                await Journal.CancelAsync("p", id, "someone", Token);
            }

            await host.PassAsync(1_000_000);
            foreach (string id in _runs)
            {
                Assert.True((await host.GetAsync(id)).HasEnded);
            }
        }

        private async Task RequestAsync()
        {
            string? key = random.Next(3) == 0 ? $"key {random.Next(5)}" : null;
            RunStart start = await Journal.RequestAsync(
                new RunRequest
                {
                    Project = "p", Type = Pick(Types), Input = Json(random.Next(3)), Key = key, Priority = (RunPriority)random.Next(4),
                    NotBefore = random.Next(4) == 0 ? DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + Journal.ClockSkewMs + random.Next(100_000) : 0,
                    DependsOn = _runs.Count > 0 && random.Next(3) == 0 ? [Pick(_runs), Pick(_runs)] : [],
                    Parent = _runs.Count > 0 && random.Next(4) == 0 ? Pick(_runs) : null,
                    ForkOf = _runs.Count > 0 && random.Next(6) == 0 ? Pick(_runs) : null,
                    Options = new RunOptions
                    {
                        MaxAttempts = random.Next(1, 4), LeaseMs = random.Next(1_000, 60_000), AttemptTimeoutMs = random.Next(4) == 0 ? 5_000 : 0,
                        StartTimeoutMs = random.Next(4) == 0 ? 20_000 : 0, RunAfterFailure = random.Next(3) == 0, BackoffMs = 500,
                        TotalTimeoutMs = random.Next(4) == 0 ? 40_000 : 0,
                    },
                },
                Token);
            Assert.NotEqual(RunStartKind.UnknownRun, start.Kind);
            if (start.Kind == RunStartKind.Created)
            {
                _runs.Add(start.Run!.Id);
            }
        }

        private async Task ClaimAsync()
        {
            string[] types = random.Next(2) == 0 ? Types : [Pick(Types)];
            string condition = types.Length == 2 ? "" : $" and type = '{types[0]}'";
            List<(string Id, long Priority)> ready = await host.Database.ReadAsync(
                session => session.Query($"select id, priority from runs where state = 1{condition}", static row => (row.GetString(0), row.GetInt64(1))), Token);
            int most = random.Next(1, 4);
            IReadOnlyList<Claim> claims = await workers.ClaimAsync($"worker {random.Next(3)}", types.ToDictionary(static type => type, _ => most), most, Token);

            Assert.Equal(Math.Min(most, ready.Count), claims.Count);
            string[] claimed = [.. claims.Select(static claim => claim.Run.Id)];
            Assert.Equal(claimed, claimed.Distinct());
            long last = claims.Count == 0 ? 0 : claims.Max(static claim => (long)claim.Run.Priority);
            Assert.All(ready.Where(run => !claimed.Contains(run.Id)), run => Assert.True(run.Priority >= last));
            _leases.AddRange(claims.Select(static claim => claim.Lease));
        }

        private async Task WriteAsync(Lease lease)
        {
            bool holds = await host.Database.ReadAsync(
                session => session.Number("select count(*) from runs where number = $1 and fence = $2 and state = 2", lease.Run, lease.Fence) == 1, Token);
            bool? taken = random.Next(12) switch
            {
                0 or 1 => await workers.SucceedAsync(lease, Json(1), Token),
                2 => await workers.FailAsync(lease, new RunError("broken", "broken"), random.Next(4) == 0, Token),
                3 => await workers.ReleaseAsync(lease, Token),
                4 => await workers.CancelledAsync(lease, Token),
                5 => await workers.ProgressAsync(lease, random.Next(101), "under way", random.Next(2) == 0 ? Json(7) : (ReadOnlyMemory<byte>?)null, Token),
                6 => await workers.ExtendAsync(lease, Token) != LeaseState.Lost,
                7 => await BeginAsync(lease),
                8 => await workers.FailStepAsync(lease, Address(), Digest, new RunError("none", "none"), Token),
                9 => await SuspendAsync(lease),
                10 => await TakeAsync(lease),
                _ => await workers.RecordStepAsync(
                    lease, new StepRecord(Address(), Digest, EffectClass.Recorded, StepState.Succeeded, null, StepSource.Executed, 1, 0), Json(random.Next(9)), ("p", 0), Token),
            };
            if (taken is { } result)
            {
                Assert.Equal(holds, result);
                _ = holds ? ++Written : ++Refused;
            }
        }

        // The run API never begins a step that has an output already.
        private async Task<bool?> BeginAsync(Lease lease)
        {
            string address = Address();
            bool isRecorded = await host.Database.ReadAsync(
                session => session.Number("select count(*) from steps where run = $1 and address = $2 and state = 1", lease.Run, address) > 0, Token);
            return isRecorded ? null : await workers.BeginStepAsync(lease, address, Digest, EffectClass.Unsafe, Token);
        }

        private async Task<bool?> SuspendAsync(Lease lease)
        {
            long now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + Journal.ClockSkewMs;
            return random.Next(3) switch
            {
                0 => await workers.SuspendAsync(lease, new RunWait(now + random.Next(-1_000, 100_000), [], [], false), Token),
                1 => await workers.SuspendAsync(lease, new RunWait(random.Next(2) == 0 ? now + 50_000 : null, ["s"], [], false), Token),
                _ => await workers.SuspendAsync(lease, new RunWait(now + 100_000, [], [Pick(_runs), Pick(_runs), Pick(_runs)], random.Next(2) == 0), Token),
            };
        }

        private async Task<bool?> TakeAsync(Lease lease)
        {
            await workers.TakeSignalAsync(lease, "s", Address(), Token);
            return null;
        }

        private string Address() => $"step/{random.Next(4)}";

        private T Pick<T>(IReadOnlyList<T> list) => list[random.Next(list.Count)];

        private static byte[] Json(int number) => Encoding.UTF8.GetBytes($"{number}");
    }
}
