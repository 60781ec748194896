using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Values;
using HelixFlow.Schemas;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Tests.Journal;

/// <summary>Random histories with crashes at any place: what something refers to can always be read, and what nothing refers to goes in the end.</summary>
public sealed class CollectorTests
{
    private const int Operations = 500;
    private const int Inline = 40;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Nothing_that_is_reached_is_ever_collected_and_all_else_is_in_the_end(int seed)
    {
        string folder = Directory.CreateTempSubdirectory("helixflow-collector-").FullName;
        await using (var database = new BreakableDatabase(SqliteDatabase.Open(Path.Combine(folder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents"))))
        {
            var history = new History(database, new BlobFolder(Path.Combine(folder, "blobs")), new Random(seed));
            for (int i = 0; i < Operations; i++)
            {
                await history.StepAsync();
                if (i % 10 == 9)
                {
                    await history.CheckAsync();
                }
            }

            await history.EndAsync();
            Assert.Empty(Directory.GetFiles(Path.Combine(folder, "blobs"), "*", SearchOption.AllDirectories));
            Assert.True(history.Collected > 50 && history.Crashes > 20, $"{history.Collected} values were collected, {history.Crashes} operations broke off: the test shows little.");
        }

        Directory.Delete(folder, recursive: true);
    }

    /// <summary>Fails before or after it has done what it was asked, as a process does that is killed.</summary>
    private sealed class CrashingStore(IBlobStore store, Random random) : IBlobStore
    {
        public double Chance { get; set; }

        public Task<BlobDraft> DraftAsync(Stream content, long maxBytes, CancellationToken cancellationToken) => store.DraftAsync(content, maxBytes, cancellationToken);

        public Task KeepAsync(BlobDraft draft, string life, CancellationToken cancellationToken) => MayCrashAsync(() => store.KeepAsync(draft, life, cancellationToken));

        public Task CopyAsync(BlobKey key, long offset, long length, Stream destination, CancellationToken cancellationToken) =>
            store.CopyAsync(key, offset, length, destination, cancellationToken);

        public Task DeleteAsync(BlobKey key, CancellationToken cancellationToken) => MayCrashAsync(() => store.DeleteAsync(key, cancellationToken));

        private async Task MayCrashAsync(Func<Task> work)
        {
            bool crashes = random.NextDouble() < Chance, isLate = random.Next(2) == 0;
            if (crashes && !isLate)
            {
                throw new Crash();
            }

            await work();
            if (crashes)
            {
                throw new Crash();
            }
        }
    }

    private sealed class History
    {
        private const string Referring = """
            select input from runs union select output from runs where output is not null union select output from steps where output is not null union select hash from artifacts
            union select hash from kept union select hash from uploads union select output from cache
            """;

        private readonly BreakableDatabase _database;
        private readonly CrashingStore _store;
        private readonly Agents.Journal.Journal _journal;
        private readonly Random _random;
        private readonly List<Lease> _leases = [];
        private readonly List<string> _files = [];
        private readonly Collector[] _collectors;
        private int _names;

        public History(BreakableDatabase database, BlobFolder blobs, Random random)
        {
            _random = random;
            _database = database;
            _store = new CrashingStore(blobs, random) { Chance = 0.15 };
            var options = new JournalOptions { InlineBytes = Inline, InReferenceBytes = random.Next(3) * 4, BlobGraceMs = 10_000, CacheMs = 40_000, UploadMs = 60_000 };
            options.Retention.Add(new RetentionRule { Type = "kept", Succeeded = TimeSpan.FromSeconds(20), Failed = TimeSpan.FromSeconds(20), KeepLast = 2 });
            options.Retention.Add(new RetentionRule { Succeeded = TimeSpan.FromSeconds(30), Failed = TimeSpan.FromSeconds(90) });
            _journal = new Agents.Journal.Journal(_database, _store, TimeProvider.System, options);
            _collectors = [new Collector(_journal), new Collector(_journal)];
        }

        public long Collected { get; private set; }

        public int Crashes { get; private set; }

        public async Task StepAsync()
        {
            _database.Refuse(_random.Next(12) == 0 ? 1 : 0);
            _database.LoseAnswers(_random.Next(12) == 0 ? 1 : 0);
            try
            {
                await (_random.Next(14) switch
                {
                    0 or 1 => RequestAsync(),
                    2 or 3 => ClaimAsync(),
                    4 => BringAsync(),
                    5 => PassAsync(_random.Next(1, 8_000)),
                    6 or 7 => CollectAsync(),
                    8 when _leases.Count > 0 => EndAsync(Take()),
                    9 => RequeueOrDeleteAsync(),
                    _ when _leases.Count > 0 => WriteAsync(_leases[_random.Next(_leases.Count)]),
                    _ => ClaimAsync(),
                });
            }
            catch (Exception exception) when (exception is Crash or StorageException or OperationCanceledException)
            {
                Crashes++;
            }
        }

        /// <summary>Whatever a row names can be read, and is what its name says.</summary>
        public async Task CheckAsync()
        {
            foreach (string reference in await _database.ReadAsync(session => session.Query(Referring, static row => row.GetString(0)), Token))
            {
                byte[] value = await _journal.ReadAsync(reference, Token);
                Assert.Equal(ValueReference.HashOf(reference), ActionDigest.HashOf(value));
            }
        }

        /// <summary>Ends all runs, lets the time of all pass, and collects until there is nothing.</summary>
        public async Task EndAsync()
        {
            _store.Chance = 0;
            _database.Refuse(0);
            _database.LoseAnswers(0);
            foreach (RunRecord run in await _journal.ListAsync("p", new RunFilter(null, null, null, 10_000), Token))
            {
                await _journal.CancelAsync("p", run.Id, "test", Token);
            }

            await PassAsync(1_000_000);
            await CheckAsync();
            for (int i = 0; i < 3; i++)
            {
                await PassAsync(1_000_000);
                Collected += (await new Collector(_journal).RunAsync(Token)).Values;
            }

            await CheckAsync();
            List<RunRecord> left = await _journal.ListAsync("p", new RunFilter(null, null, null, 10_000), Token);
            long children = await _database.ReadAsync(static session => session.Number("select count(*) from runs where type <> 'kept' and parent is not null"), Token);
            Assert.Equal(2 + children, left.Count); // the last two of the type that keeps two, and what they had asked for
            foreach (RunRecord run in left)
            {
                Assert.Equal(RunDeletion.Deleted, await _journal.DeleteAsync("p", run.Id, Token));
            }

            await new Collector(_journal).RunAsync(Token);
            foreach (string table in (string[])["runs", "events", "steps", "artifacts", "kept", "signals", "dependencies", "uploads", "cache", "blobs", "doomed_blobs", "doomed_runs"])
            {
                Assert.Equal((table, 0L), (table, await _database.ReadAsync(session => session.Number($"select count(*) from {table}"), Token)));
            }
        }

        private async Task RequestAsync()
        {
            List<RunRecord> runs = await _journal.ListAsync("p", new RunFilter(null, null, null, 20), Token);
            string? other = runs.Count > 0 ? runs[_random.Next(runs.Count)].Id : null;
            string input = _files.Count > 0 && _random.Next(2) == 0 ? $$"""{"f":{"artifact":"{{_files[_random.Next(_files.Count)]}}"} }""" : Encoding.UTF8.GetString(Value());
            await _journal.RequestAsync(
                new RunRequest
                {
                    Project = "p", Type = _random.Next(4) == 0 ? "kept" : "t", Input = Encoding.UTF8.GetBytes(input), ForkOf = _random.Next(3) == 0 ? other : null,
                    Parent = _random.Next(4) == 0 ? other : null, DependsOn = other is not null && _random.Next(4) == 0 ? [other] : [],
                    Options = new RunOptions { MaxAttempts = 2, LeaseMs = 20_000, BackoffMs = 100 },
                },
                Token);
        }

        private async Task BringAsync() => _files.Add((await _journal.UploadAsync("p", new MemoryStream(Value()), "text/plain", 1000, Token)).Hash);

        private async Task ClaimAsync()
        {
            foreach (Claim claim in await _journal.ClaimAsync("w", ["t", "kept"], 2, Token))
            {
                _leases.Add(claim.Lease);
                foreach (StepRecord step in (await _journal.LoadStepsAsync(claim.Lease, Token)).Values.Where(static step => step.Source == StepSource.Fork))
                {
                    await _journal.AdoptStepsAsync(claim.Lease, [step], Token);
                }
            }
        }

        private async Task WriteAsync(Lease lease)
        {
            switch (_random.Next(4))
            {
                case 0:
                    await _journal.ProgressAsync(lease, 10, null, Value(), Token);
                    break;
                case 1:
                    byte[] content = Value();
                    using (ContentDraft draft = await _journal.DraftAsync(new MemoryStream(content), 1000, Token))
                    {
                        string name = $"f{_names++}";
                        await _journal.RecordArtifactAsync(lease, Recorded($"artifact/{name}"), new Artifact(name, draft.Hash, draft.Length, "text/plain", 0), draft, Token);
                    }

                    break;
                default:
                    await _journal.RecordStepAsync(lease, Recorded($"s{_names++}"), Value(), _random.Next(2) == 0 ? ("p", 0) : null, Token);
                    break;
            }
        }

        private async Task EndAsync(Lease lease)
        {
            if (_random.Next(3) == 0)
            {
                await _journal.FailAsync(lease, new RunError("broken", "broken"), _random.Next(2) == 0, Token);
            }
            else
            {
                await _journal.SucceedAsync(lease, Value(), Token);
            }
        }

        private async Task RequeueOrDeleteAsync()
        {
            List<RunRecord> ended = [.. (await _journal.ListAsync("p", new RunFilter(null, null, null, 50), Token)).Where(static run => run.HasEnded)];
            if (ended.Count > 0)
            {
                string id = ended[_random.Next(ended.Count)].Id;
                _ = _random.Next(3) == 0
                    ? (object)await _journal.DeleteAsync("p", id, Token)
                    : (await _journal.RequeueAsync("p", id, _random.Next(2) == 0 ? Value() : (ReadOnlyMemory<byte>?)null, "test", Token))!;
            }
        }

        private async Task CollectAsync()
        {
            Collector collector = _collectors[_random.Next(_collectors.Length)];
            for (int i = 0; i < 3; i++)
            {
                Collected += (await collector.StepAsync(_random.Next(1, 40), Token)).Deleted.Values;
            }
        }

        private async Task PassAsync(long milliseconds)
        {
            _journal.ClockSkewMs += milliseconds;
            while (await _journal.TickAsync(1000, Token))
            {
            }
        }

        private Lease Take()
        {
            Lease lease = _leases[_random.Next(_leases.Count)];
            _leases.Remove(lease);
            return lease;
        }

        // Few different ones, small and large, so that many refer to the same.
        private byte[] Value() => JsonSerializer.SerializeToUtf8Bytes(new string((char)('a' + _random.Next(26)), _random.Next(2) == 0 ? 5 : 200));

        private static StepRecord Recorded(string address) => new(address, address, EffectClass.Pure, StepState.Succeeded, null, StepSource.Executed, 1, 0);
    }
}
