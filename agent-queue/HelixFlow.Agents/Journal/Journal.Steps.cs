using System.Data.Common;
using HelixFlow.Agents.Values;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>A step as it was recorded.</summary>
/// <param name="Address">Its place in the run, for example <c>section/3/draft</c>.</param>
/// <param name="Digest">What it did.</param>
/// <param name="Class">What repeating it would do.</param>
/// <param name="State">Whether it has an output.</param>
/// <param name="Output">What refers to its output (<see cref="ValueReference"/>).</param>
/// <param name="Source">Where the output came from.</param>
/// <param name="StartedAt">Milliseconds since 1970.</param>
/// <param name="EndedAt">Milliseconds since 1970; 0 while it has no output.</param>
public sealed record StepRecord(string Address, string Digest, EffectClass Class, StepState State, string? Output, StepSource Source, long StartedAt, long EndedAt)
{
    /// <summary>The output itself, where it was read together with the step.</summary>
    internal byte[]? Content { get; init; }

    /// <summary>What executing it has used; told to the journal when it is recorded, and not read back with the step.</summary>
    internal StepUsage? Usage { get; init; }
}

public sealed partial class Journal
{
    private const int SmallBytes = 4096;
    private const string StepColumns = "address, digest, class, state, output, source, started_at, ended_at";

    /// <summary>The recorded steps of a run, in the order in which they were recorded.</summary>
    public Task<List<StepRecord>> StepsAsync(string project, string id, CancellationToken cancellationToken) => database.ReadAsync(
        session => RunRows.Find(session, project, id) is { } run
            ? session.Query($"select {StepColumns} from steps where run = $1 order by seq", ReadStep, run.Number)
            : [],
        cancellationToken);

    /// <summary>
    /// What a run may use instead of executing: its own recorded steps, and at addresses where it has none those of the run from which it was forked
    /// (never a decision, nor an effect that must not be repeated). Whoever uses one compares the digest.
    /// </summary>
    public Task<Dictionary<string, StepRecord>> LoadStepsAsync(Lease lease, CancellationToken cancellationToken) => database.ReadAsync(
        session =>
        {
            List<StepRecord> own = Load(session, "and $2 = 0", lease.Run, 0), taken = [];
            (long fork, long limit) = session.First(
                "select coalesce(forked_from, 0), fork_limit from runs where number = $1", static row => (row.GetInt64(0), row.GetInt64(1)), lease.Run);
            if (fork != 0)
            {
                taken = Load(session, "and state = 1 and class in (1, 2, 3) and ($2 = 0 or seq < $2)", fork, limit);
            }

            var steps = new Dictionary<string, StepRecord>(Math.Max(own.Count, taken.Count), StringComparer.Ordinal);
            foreach (StepRecord step in taken)
            {
                steps[step.Address] = step with { Source = StepSource.Fork };
            }

            foreach (StepRecord step in own)
            {
                steps[step.Address] = step;
            }

            return steps;
        },
        cancellationToken);

    // Small outputs come with their steps: a run of many steps is replayed without asking for each.
    private static List<StepRecord> Load(SqlSession session, string condition, long run, long limit) => session.Query(
        $"""
        select {StepColumns}, case when substr(output, 1, 1) <> '='
          then (select content from blobs where hash = output and length <= {SmallBytes}) end
        from steps where run = $1 {condition}
        """,
        static row => ReadStep(row, row.GetValue(8) as byte[]), run, limit);

    /// <summary>The output of the same action in another run of the namespace; null when there is none that may still be used.</summary>
    public Task<string?> FindCachedAsync(string ns, string digest, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.First(
            "select output from cache where namespace = $1 and digest = $2 and (expires_at = 0 or expires_at > $3)", static row => row.GetString(0), ns, digest, Now(session)),
        cancellationToken);

    /// <summary>
    /// Records that the effect of a step that must not be repeated may begin now. False when the lease is lost, or the step is recorded already, as when a call is sent twice and
    /// comes late: then it must not begin.
    /// </summary>
    public Task<bool> BeginStepAsync(Lease lease, string address, string digest, EffectClass effect, CancellationToken cancellationToken) =>
        WriteAsync(change => change.Held(lease) is { } run && Begin(change, run, address, digest, effect), cancellationToken);

    private static bool Begin(Change change, RunRecord run, string address, string digest, EffectClass effect)
    {
        int begun = change.Session.Execute(
            """
            insert into steps (run, address, digest, class, state, source, fence, seq, started_at, ended_at) values ($1, $2, $3, $4, 0, 0, $5, $6, $7, 0)
            on conflict (run, address) do update set digest = $3, class = $4, source = 0, fence = $5, seq = $6, started_at = $7 where steps.state = 0
            """,
            run.Number, address, digest, (long)effect, run.Fence, run.LastEvent + 1, change.Now);
        if (begun == 0)
        {
            return false;
        }

        change.Append(run, new JournalEvent.StepStarted(address, digest, effect));
        change.Save(run);
        return true;
    }

    /// <summary>Records a step's output, once: a second record of the same step changes nothing.</summary>
    /// <param name="lease">The attempt's lease.</param>
    /// <param name="step">The step; its output is set here.</param>
    /// <param name="output">The output as canonical JSON.</param>
    /// <param name="cacheFor">In which namespace and until when (milliseconds since 1970, 0 for as long as the journal keeps such outputs) other runs may use it; null for not at all.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>False when the lease is lost: then nothing was written.</returns>
    public async Task<bool> RecordStepAsync(Lease lease, StepRecord step, byte[] output, (string Namespace, long ExpiresAt)? cacheFor, CancellationToken cancellationToken)
    {
        StoredValue value = await StoreAsync(output, cancellationToken).ConfigureAwait(false);
        return await ChangeAsync(
            lease,
            (change, run) =>
            {
                Record(change, run, step, value, value.Reference, cacheFor);
                change.Save(run);
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Records steps whose outputs the journal has already, because another run has recorded them. False when the lease is lost.</summary>
    public Task<bool> AdoptStepsAsync(Lease lease, IReadOnlyList<StepRecord> steps, CancellationToken cancellationToken) => ChangeAsync(
        lease,
        (change, run) =>
        {
            foreach (StepRecord step in steps)
            {
                Record(change, run, step, null, step.Output!, null);
            }

            change.Save(run);
        },
        cancellationToken);

    private bool Record(Change change, RunRecord run, StepRecord step, StoredValue? output, string reference, (string Namespace, long ExpiresAt)? cacheFor)
    {
        int recorded = change.Session.Execute(
            """
            insert into steps (run, address, digest, class, state, output, source, fence, seq, started_at, ended_at)
            values ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9, $10)
            on conflict (run, address) do update set digest = $3, class = $4, state = 1, output = $5, source = $6, fence = $7, seq = $8, ended_at = $10 where steps.state = 0
            """,
            run.Number, step.Address, step.Digest, (long)step.Class, reference, (long)step.Source, run.Fence, run.LastEvent + 1, step.StartedAt, change.Now);
        if (recorded == 0)
        {
            return false;
        }

        if (output is { } value)
        {
            Keep(change, value);
        }

        change.Append(run, new JournalEvent.StepSucceeded(step.Address, step.Digest, step.Class, reference, step.Source, step.StartedAt, step.Usage));
        if (step.Usage is { } usage)
        {
            change.Session.Post(
                "update runs set model_calls = model_calls + 1, prompt_tokens = prompt_tokens + $2, completion_tokens = completion_tokens + $3 where number = $1",
                run.Number, usage.PromptTokens, usage.CompletionTokens);
        }

        if (cacheFor is { } cache)
        {
            change.Session.Post(
                """
                insert into cache (namespace, digest, output, expires_at) values ($1, $2, $3, $4)
                on conflict (namespace, digest) do update set output = $3, expires_at = $4
                """,
                cache.Namespace, step.Digest, reference, cache.ExpiresAt == 0 && options.CacheMs > 0 ? change.Now + options.CacheMs : cache.ExpiresAt);
        }

        return true;
    }

    /// <summary>Records that a step was tried and has had no effect. False when the lease is lost.</summary>
    public Task<bool> FailStepAsync(Lease lease, string address, string digest, RunError error, CancellationToken cancellationToken) => ChangeAsync(
        lease,
        (change, run) =>
        {
            change.Session.Post("delete from steps where run = $1 and address = $2 and state = 0", run.Number, address);
            change.Append(run, new JournalEvent.StepFailed(address, digest, error));
            change.Save(run);
        },
        cancellationToken);

    /// <summary>Records how far the run is. False when the lease is lost.</summary>
    /// <param name="lease">The attempt's lease.</param>
    /// <param name="percent">0 to 100.</param>
    /// <param name="message">What it does now, for people.</param>
    /// <param name="partial">A part of the result, as JSON; null for none.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    public async Task<bool> ProgressAsync(Lease lease, int percent, string? message, ReadOnlyMemory<byte>? partial, CancellationToken cancellationToken)
    {
        StoredValue? value = partial is { } json ? await StoreByHashAsync(CanonicalOf(json), cancellationToken).ConfigureAwait(false) : null;
        return await ChangeAsync(
            lease,
            (change, run) =>
            {
                if (value is { } part)
                {
                    Keep(change, part);
                    KeepFor(change, run, part.Reference, isFile: false);
                }

                int clamped = Math.Clamp(percent, 0, 100);
                change.Append(run, new JournalEvent.Progressed(clamped, message, value?.Reference));
                change.Session.Post("update runs set progress = $2, message = $3, last_event = $4 where number = $1", run.Number, clamped, message, run.LastEvent);
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Decides what became of a step whose outcome is unknown: its output, or that it is to be tried again. The run goes on when no other step is in doubt.</summary>
    /// <returns>Null when the project has no such run; otherwise the run as it stands now. It is unchanged when the step is not in doubt.</returns>
    public async Task<RunRecord?> DecideStepAsync(string project, string id, string address, ReadOnlyMemory<byte>? output, string by, CancellationToken cancellationToken)
    {
        StoredValue? value = output is { } json ? await StoreAsync(CanonicalOf(json), cancellationToken).ConfigureAwait(false) : null;
        return await WriteAsync(
            change =>
            {
                if (change.Lock(project, id) is not { State: RunState.Parked } run)
                {
                    return RunRows.Find(change.Session, project, id);
                }

                if (change.Session.First($"select {StepColumns} from steps where run = $1 and address = $2 and state = 0", ReadStep, run.Number, address) is not { } step)
                {
                    return run;
                }

                if (value is not { } decided)
                {
                    change.Session.Post("delete from steps where run = $1 and address = $2", run.Number, address);
                    change.Append(run, new JournalEvent.StepRetryDecided(address, by));
                }
                else
                {
                    Keep(change, decided);
                    long seq = change.Append(run, new JournalEvent.StepSucceeded(address, step.Digest, step.Class, decided.Reference, StepSource.Decided, step.StartedAt));
                    change.Session.Post(
                        "update steps set state = 1, output = $3, source = $4, seq = $5, ended_at = $6 where run = $1 and address = $2",
                        run.Number, address, decided.Reference, (long)StepSource.Decided, seq, change.Now);
                }

                if (change.Session.Number("select count(*) from steps where run = $1 and state = 0", run.Number) == 0)
                {
                    change.Append(run, new JournalEvent.Released());
                    MakeReady(change, run);
                }
                else
                {
                    change.Save(run);
                }

                return RunRows.Find(change.Session, project, id);
            },
            cancellationToken).ConfigureAwait(false);
    }

    private static StepRecord ReadStep(DbDataReader row) => ReadStep(row, null);

    private static StepRecord ReadStep(DbDataReader row, byte[]? content)
    {
        string? output = RunRows.Text(row, 4);
        return new StepRecord(
            row.GetString(0), row.GetString(1), (EffectClass)row.GetInt64(2), (StepState)row.GetInt64(3), output, (StepSource)row.GetInt64(5), row.GetInt64(6), row.GetInt64(7))
        {
            Content = content ?? (output is null ? null : ValueReference.ValueOf(output)),
        };
    }
}
