using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using HelixFlow.Agents.Values;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>The durable journal of all runs: queue, progress, dead letters and results are read from it.</summary>
/// <remarks>
/// Every change is one transaction that appends the event and folds it into the tables. What a worker writes is checked against its lease's fence
/// in that transaction, so that one that was thought dead writes nothing. All members may be called from any thread, and by several processes
/// when the database is PostgreSQL. A call that fails because the database cannot be reached may be repeated: none does its work twice.
/// </remarks>
public sealed partial class Journal(IDatabase database, BlobFolder blobs, TimeProvider time, JournalOptions options)
{
    private const int IdBytes = 10;

    /// <summary>Called after a run has become claimable, with its type. A hint: it may come late or never, and several times.</summary>
    public event Action<string>? Ready;

    /// <summary>Called after something was appended to a run, with its id. A hint, as <see cref="Ready"/>.</summary>
    public event Action<string>? Changed;

    /// <summary>Called after somebody has asked that a run under way ends, with its id. A hint, as <see cref="Ready"/>: its worker's next sign of life tells it too.</summary>
    public event Action<string>? Cancelling;

    /// <summary>Added to the clock: tests move time with it, on a server's clock too.</summary>
    internal long ClockSkewMs { get; set; }

    /// <summary>Asks for a run.</summary>
    /// <exception cref="FormatException">The input is no JSON that has a canonical form.</exception>
    public async Task<RunStart> RequestAsync(RunRequest request, CancellationToken cancellationToken)
    {
        byte[] input = CanonicalOf(request.Input);
        string hash = await StoreAsync(input, cancellationToken).ConfigureAwait(false);
        RunStart start = await database.WriteAsync(session => Insert(session, request, input, hash), cancellationToken).ConfigureAwait(false);
        if (start is { Kind: RunStartKind.Created, Run: { } run })
        {
            Tell(run);
        }

        return start;
    }

    private static byte[] CanonicalOf(ReadOnlyMemory<byte> json)
    {
        try
        {
            return CanonicalJson.Of(json);
        }
        catch (JsonException exception)
        {
            throw new FormatException($"The input is no JSON: {exception.Message}", exception);
        }
    }

    private RunStart Insert(SqlSession session, RunRequest request, byte[] input, string inputHash)
    {
        long now = Now(session);
        string digest = DigestOf(request, inputHash);
        if (request.Key is { } key && session.First(
            $"select request_digest, {RunRows.Columns} from runs where project = $1 and request_key = $2",
            static row => (Digest: row.GetString(0), Id: row.GetString(2)), request.Project, key) is { Id: not null } known)
        {
            return new RunStart(known.Digest == digest ? RunStartKind.Existing : RunStartKind.Conflict, RunRows.Find(session, request.Project, known.Id));
        }

        RunRecord? parent = null, fork = null;
        if (request.Parent is { } parentId && (parent = RunRows.Find(session, request.Project, parentId)) is null)
        {
            return new RunStart(RunStartKind.UnknownRun, null, parentId);
        }

        if (request.ForkOf is { } forkId && (fork = RunRows.Find(session, request.Project, forkId)) is null)
        {
            return new RunStart(RunStartKind.UnknownRun, null, forkId);
        }

        var dependencies = new List<RunRecord>();
        foreach (string id in request.DependsOn.Distinct(StringComparer.Ordinal))
        {
            if (RunRows.Find(session, request.Project, id) is not { } found || RunRows.Lock(session, database.Dialect, found.Number) is not { } dependency)
            {
                return new RunStart(RunStartKind.UnknownRun, null, id);
            }

            dependencies.Add(dependency);
        }

        List<RunRecord> open = dependencies.FindAll(static dependency => !dependency.HasEnded);
        RunRecord? failed = request.Options.RunAfterFailure ? null : dependencies.Find(static dependency => dependency.HasEnded && dependency.State != RunState.Succeeded);
        bool waits = open.Count > 0 || request.NotBefore > now;
        long share = waits ? 0 : FairShare.Tag(session, request.Priority, request.Project, WeightOf(request.Project));
        RunState state = waits ? RunState.Waiting : RunState.Ready;
        KeepInline(session, inputHash, input, now);
        string runId = "job_" + Convert.ToHexStringLower(BitConverter.IsLittleEndian ? [.. BitConverter.GetBytes(now)[..6].Reverse()] : BitConverter.GetBytes(now)[2..]) +
            Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(IdBytes));
        long forkLimit = fork is null || request.ForkFrom is null ? 0
            : session.Number("select seq from steps where run = $1 and address = $2", fork.Number, request.ForkFrom);
        long number = session.Number(
            """
            insert into runs (id, project, type, request_key, request_digest, state, priority, share, queued_at, input, options, labels, parent, parent_address, schedule,
              forked_from, fork_limit, not_before, start_by, waits_for, has_waiters, cancel_requested, epoch, attempt, fence, lease_until, end_by, progress,
              created_at, started_at, ended_at, last_event)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, 0, 0, 1, 0, 0, 0, 0, 0, $9, 0, 0, 0)
            returning number
            """,
            runId, request.Project, request.Type, request.Key, digest, (long)state, (long)request.Priority, share, now, inputHash,
            JsonSerializer.Serialize(request.Options, JournalJson.Default.RunOptions),
            request.Labels is null ? null : JsonSerializer.Serialize(request.Labels, JournalJson.Default.IReadOnlyDictionaryStringString),
            parent?.Number, request.ParentAddress, request.Schedule, fork?.Number, forkLimit, request.NotBefore,
            request.Options.StartTimeoutMs > 0 ? Math.Max(now, request.NotBefore) + request.Options.StartTimeoutMs : 0, (long)open.Count);
        foreach (RunRecord dependency in open)
        {
            session.Execute("insert into dependencies (run, on_run) values ($1, $2)", number, dependency.Number);
            session.Execute("update runs set has_waiters = 1 where number = $1", dependency.Number);
        }

        Append(session, number, now, new JournalEvent.Requested(
            request.Type, request.Project, request.Priority, inputHash, request.Options, state, request.NotBefore, request.DependsOn, request.Labels,
            request.Parent, request.ParentAddress, request.Schedule, request.ForkOf));
        if (failed is not null)
        {
            Kill(session, number, now, new RunError("dependency_failed", $"The run {failed.Id}, which this one depends on, has not succeeded."));
        }

        return new RunStart(RunStartKind.Created, RunRows.Lock(session, SqlDialect.Sqlite, number));
    }

    /// <summary>The request without its key: what a second request with the same key must equal.</summary>
    private static string DigestOf(RunRequest request, string inputHash) => new ActionDigest("run", 1, new Dictionary<string, string>
    {
        ["type"] = request.Type,
        ["input"] = inputHash,
        ["priority"] = request.Priority.ToString(),
        ["not_before"] = request.NotBefore.ToString(CultureInfo.InvariantCulture),
        ["options"] = JsonSerializer.Serialize(request.Options, JournalJson.Default.RunOptions),
        ["depends_on"] = string.Join(' ', request.DependsOn),
        ["parent"] = $"{request.Parent} {request.ParentAddress}",
        ["fork"] = $"{request.ForkOf} {request.ForkFrom}",
    }, "", request.Project).Hash();

    private double WeightOf(string project) => options.Weights.TryGetValue(project, out double weight) && weight > 0 ? weight : 1;

    // Processes that share a server must share its clock: their own may differ.
    private long Now(SqlSession session) => ClockSkewMs + (database.Dialect == SqlDialect.Postgres
        ? session.Number("select (extract(epoch from clock_timestamp()) * 1000)::bigint")
        : time.GetUtcNow().ToUnixTimeMilliseconds());

    private static long Append(SqlSession session, long run, long now, JournalEvent happened)
    {
        long seq = session.Number("update runs set last_event = last_event + 1 where number = $1 returning last_event", run);
        Append(session, run, seq, now, happened);
        return seq;
    }

    private static void Append(SqlSession session, long run, long seq, long now, JournalEvent happened) => session.Execute(
        "insert into events (run, seq, at, kind, version, body) values ($1, $2, $3, $4, $5, $6)", run, seq, now, happened.Kind, JournalEvent.CurrentVersion, happened.ToJson());

    private void Tell(RunRecord run)
    {
        Changed?.Invoke(run.Id);
        if (run.State == RunState.Ready)
        {
            Ready?.Invoke(run.Type);
        }
    }
}
