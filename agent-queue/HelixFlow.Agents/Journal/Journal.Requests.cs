using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using HelixFlow.Agents.Values;
using HelixFlow.Agents.Webhooks;

namespace HelixFlow.Agents.Journal;

public sealed partial class Journal
{
    private const int IdBytes = 10;

    /// <summary>Asks for a run.</summary>
    /// <exception cref="FormatException">The input is no JSON that has a canonical form.</exception>
    public async Task<RunStart> RequestAsync(RunRequest request, CancellationToken cancellationToken)
    {
        byte[] input = CanonicalOf(request.Input);
        StoredValue value = await StoreAsync(input, cancellationToken).ConfigureAwait(false);
        string digest = DigestOf(request, value.Reference);
        HashSet<string> files = ArtifactReference.In(input);
        return await WriteAsync(change => Insert(change, request, digest, value, files), cancellationToken).ConfigureAwait(false);
    }

    private RunStart Insert(Change change, RunRequest request, string digest, StoredValue input, HashSet<string> files)
    {
        if (Known(change, request, digest) is { } known)
        {
            return known;
        }

        RunRecord? parent = null, fork = null;
        if (request.Parent is { } parentId && (parent = RunRows.Find(change.Session, request.Project, parentId)) is null)
        {
            return new RunStart(RunStartKind.UnknownRun, null, parentId);
        }

        if (request.ForkOf is { } forkId && (fork = RunRows.Find(change.Session, request.Project, forkId)) is null)
        {
            return new RunStart(RunStartKind.UnknownRun, null, forkId);
        }

        if (Dependencies(change, request.Project, request.DependsOn, out string? unknown) is not { } dependencies)
        {
            return new RunStart(RunStartKind.UnknownRun, null, unknown);
        }

        if (MissingFile(change, request.Project, files) is { } missing)
        {
            return new RunStart(RunStartKind.UnknownArtifact, null, missing);
        }

        List<RunRecord> open = dependencies.FindAll(static dependency => !dependency.HasEnded);
        RunError? failure = FailureAmong(dependencies, request.Options);
        RunState state = open.Count > 0 || request.NotBefore > change.Now ? RunState.Waiting : RunState.Ready;
        Keep(change, input);
        if (Insert(change, request, digest, input.Reference, state, open.Count, parent, fork) is not { } run)
        {
            // Another process has asked with the same key at this moment, and was first.
            return Known(change, request, digest)!;
        }

        KeepFilesFor(change, run, files);

        WaitFor(change, run, open);
        if (failure is not null)
        {
            run = change.Lock(run.Number)!;
            Kill(change, run, failure);
            run = change.Lock(run.Number)!;
        }
        else if (state == RunState.Ready)
        {
            change.TellReady(run.Type);
        }

        return new RunStart(RunStartKind.Created, run);
    }

    /// <summary>What became of an earlier request with the same key; null when there was none.</summary>
    private static RunStart? Known(Change change, RunRequest request, string digest)
    {
        if (request.Key is null || change.Session.First(
            "select request_digest, id from runs where project = $1 and request_key = $2", static row => (Digest: row.GetString(0), Id: row.GetString(1)),
            request.Project, request.Key) is not { Id: not null } known)
        {
            return null;
        }

        return new RunStart(known.Digest == digest ? RunStartKind.Existing : RunStartKind.Conflict, RunRows.Find(change.Session, request.Project, known.Id));
    }

    /// <summary>The runs that a request depends on, locked in the order of their numbers; null when one is unknown.</summary>
    private static List<RunRecord>? Dependencies(Change change, string project, IReadOnlyList<string> ids, out string? unknown)
    {
        var dependencies = new List<RunRecord>();
        foreach (string id in ids.Distinct(StringComparer.Ordinal))
        {
            if (RunRows.Find(change.Session, project, id) is not { } found)
            {
                unknown = id;
                return null;
            }

            dependencies.Add(found);
        }

        dependencies.Sort(static (a, b) => a.Number.CompareTo(b.Number));
        unknown = null;
        return dependencies.ConvertAll(dependency => change.Lock(dependency.Number)!);
    }

    /// <summary>The row and its first event; null when another run has the key.</summary>
    private static RunRecord? Insert(Change change, RunRequest request, string digest, string input, RunState state, int waitsFor, RunRecord? parent, RunRecord? fork)
    {
        long now = change.Now;
        long forkLimit = fork is null || request.ForkFrom is null ? 0
            : change.Session.Number("select seq from steps where run = $1 and address = $2", fork.Number, request.ForkFrom);
        var run = new RunRecord
        {
            Id = NewId("job_", now), Project = request.Project, Type = request.Type, State = state, Priority = request.Priority, Input = input, Options = request.Options,
            Labels = request.Labels, Key = request.Key, Schedule = request.Schedule, NotBefore = request.NotBefore, Epoch = 1, CreatedAt = now, WaitsFor = waitsFor, IsFork = fork is not null,
            Webhook = request.Webhook?.Events ?? WebhookEvents.None,
        };
        long share = state == RunState.Ready ? FairShare.Tag(change.Session, request.Priority, request.Project, change.WeightOf(request.Project)) : 0;
        long number = change.Session.Number(
            """
            insert into runs (id, project, type, request_key, request_digest, state, priority, share, queued_at, input, options, labels, parent, parent_address, schedule,
              forked_from, fork_limit, not_before, start_by, waits_for, has_waiters, cancel_requested, epoch, attempt, fence, lease_until, end_by, progress,
              created_at, started_at, ended_at, last_event, webhook)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, 0, 0, 1, 0, 0, 0, 0, 0, $9, 0, 0, 1, $21)
            on conflict (project, request_key) where request_key is not null do nothing
            returning number
            """,
            run.Id, request.Project, request.Type, request.Key, digest, (long)state, (long)request.Priority, share, now, input,
            JsonSerializer.Serialize(request.Options, JournalJson.Default.RunOptions),
            request.Labels is null ? null : JsonSerializer.Serialize(request.Labels, JournalJson.Default.IReadOnlyDictionaryStringString),
            parent?.Number, request.ParentAddress, request.Schedule, fork?.Number, forkLimit, request.NotBefore,
            request.Options.StartTimeoutMs > 0 ? Math.Max(now, request.NotBefore) + request.Options.StartTimeoutMs : 0, (long)waitsFor, (long)run.Webhook);
        if (number == 0)
        {
            return null;
        }

        run = run with { Number = number };
        LimitTotal(change, run);
        KeepWebhook(change, run, request.Webhook);
        change.Append(run, new JournalEvent.Requested(
            request.Type, request.Project, request.Priority, input, request.Options, state, request.NotBefore, request.DependsOn, request.Labels,
            request.Parent, request.ParentAddress, request.Schedule, request.ForkOf, request.ForkFrom));
        return run;
    }

    /// <summary>Ids sort by time, and cannot be guessed.</summary>
    private static string NewId(string prefix, long now)
    {
        Span<byte> id = stackalloc byte[6 + IdBytes];
        for (int i = 0; i < 6; i++)
        {
            id[i] = (byte)(now >> (8 * (5 - i)));
        }

        RandomNumberGenerator.Fill(id[6..]);
        return prefix + Convert.ToHexStringLower(id);
    }

    /// <summary>The request without its key: what a second request with the same key must equal.</summary>
    private static string DigestOf(RunRequest request, string input) => request.Key is null ? "" : new ActionDigest("run", 1, new Dictionary<string, string>
    {
        ["type"] = request.Type,
        ["input"] = input,
        ["priority"] = request.Parent is null ? request.Priority.ToString() : "", // a child inherits it, and its parent may have risen meanwhile
        ["not_before"] = request.NotBefore.ToString(CultureInfo.InvariantCulture),
        ["options"] = JsonSerializer.Serialize(request.Options, JournalJson.Default.RunOptions),
        ["depends_on"] = string.Join(' ', request.DependsOn),
        ["parent"] = $"{request.Parent} {request.ParentAddress}",
        ["fork"] = $"{request.ForkOf} {request.ForkFrom}",
        ["webhook"] = request.Webhook is { } webhook ? $"{webhook.Url} {webhook.Events} {webhook.Secret} {webhook.SecretName}" : "",
    }, "", request.Project).Hash();
}
