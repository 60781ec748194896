using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Files;
using HelixFlow.Gateway.Membership;
using HelixFlow.Gateway.Requests;
using HelixFlow.Storage;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Batches;

/// <summary>The batches of all projects and the results of their requests. Thread-safe.</summary>
/// <remarks>
/// A request is done in one transaction that keeps its result, marks its line and counts it; a line that is done is never done again. So after a
/// crash exactly the lines are open whose results are not there.
/// </remarks>
internal sealed class BatchStore(IDatabase database, FileStore files, GatewayMembership membership, BatchOptions options, TimeProvider time)
{
    private const int RowsAtOnce = 1000;

    public long Now => time.GetUtcNow().ToUnixTimeSeconds();

    /// <summary>Whether other gateways may have batches in the same database.</summary>
    public bool IsShared => membership.IsShared;

    public Task<Batch> CreateAsync(
        string project, string endpoint, string inputFileId, string window, string? metadata, long? outputLifetime, CancellationToken cancellationToken)
    {
        long now = Now;
        return files.ReferAsync(
            [],
            session =>
            {
                StoredFile input = session.First(
                    $"select {StoredFile.Columns} from files where id = $1 and project = $2 and (expires_at is null or expires_at > $3)", StoredFile.Read, inputFileId, project, now)
                    ?? throw new OpenAiException(OpenAiError.Invalid($"No such File object: {inputFileId}", "input_file_id"));
                if (input.Purpose != FilePurpose.Batch || input.Bytes > options.MaxInputBytes)
                {
                    throw new OpenAiException(OpenAiError.Invalid(
                        input.Purpose != FilePurpose.Batch
                            ? $"The file {input.Id} was uploaded for the purpose '{input.Purpose}'. The input of a batch needs the purpose 'batch'."
                            : $"The file {input.Id} has {input.Bytes} bytes. The input of a batch has at most {options.MaxInputBytes}.",
                        "input_file_id"));
                }

                return session.First(
                    $"""
                    insert into batches (id, project, endpoint, input_file_id, input_hash, completion_window, status, output_lifetime, metadata, created_at, expires_at)
                    values ($1, $2, $3, $4, $5, $6, 'validating', $7, $8, $9, $10) returning {Batch.Columns}
                    """,
                    Batch.Read,
                    ObjectId.New("batch_"), project, endpoint, input.Id, input.Hash, window, outputLifetime, metadata, now, now + (long)options.Window.TotalSeconds)!;
            },
            cancellationToken);
    }

    public Task<Batch?> FindAsync(string project, string id, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.First($"select {Batch.Columns} from batches where id = $1 and project = $2", Batch.Read, id, project), cancellationToken);

    public async Task<Batch> GetAsync(long seq, CancellationToken cancellationToken) => await database.ReadAsync(
        session => session.First($"select {Batch.Columns} from batches where seq = $1", Batch.Read, seq)!, cancellationToken);

    /// <summary>A part of a project's batches, newest first.</summary>
    public Task<Page<Batch>> ListAsync(string project, PageQuery page, CancellationToken cancellationToken) => database.ReadAsync(
        session =>
        {
            long after = page.After is null ? long.MaxValue : session.Number("select seq from batches where id = $1 and project = $2", page.After, project);
            return after > 0
                ? Page<Batch>.Of(
                    session.Query($"select {Batch.Columns} from batches where project = $1 and seq < $2 order by seq desc limit $3", Batch.Read, project, after, page.Limit + 1), page.Limit)
                : throw FileErrors.NoSuch("Batch", page.After!, "after");
        },
        cancellationToken);

    /// <summary>Those that have not ended and that no other gateway runs, the next to expire first.</summary>
    public Task<List<Batch>> UnfinishedAsync(int most, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.Query(
            $"""
            select {Batch.Columns} from batches
            where status in ('validating', 'in_progress', 'finalizing', 'cancelling') and {GatewayMembership.IsFree} order by expires_at, seq limit $3
            """,
            Batch.Read,
            membership.Id, membership.Now, most),
        cancellationToken);

    /// <summary>Makes this gateway the one that runs a batch; false when another one was faster.</summary>
    public Task<bool> TakeAsync(long seq, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.Execute($"update batches set owner = $1 where seq = $3 and {GatewayMembership.IsFree}", membership.Id, membership.Now, seq) > 0, cancellationToken);

    public Task<List<(string Status, long Count)>> CountAsync(CancellationToken cancellationToken) => database.ReadAsync(
        static session => session.Query("select status, count(*) from batches group by status", static row => (row.GetString(0), row.GetInt64(1))), cancellationToken);

    /// <summary>Begins to cancel a batch; one that is being cancelled already stays so.</summary>
    public Task<Batch> CancelAsync(string project, string id, CancellationToken cancellationToken)
    {
        long now = Now;
        return database.WriteAsync(
            session =>
            {
                Batch batch = session.First($"select {Batch.Columns} from batches where id = $1 and project = $2", Batch.Read, id, project) ?? throw FileErrors.NoSuch("Batch", id, "batch_id");
                return batch.Status == BatchStatus.Cancelling
                    ? batch
                    : Move(session, batch.Seq, BatchStatus.Cancelling, now)
                        ?? throw new OpenAiException(new OpenAiError(
                            StatusCodes.Status409Conflict, "invalid_request_error", $"Cannot cancel a batch with status '{BatchLife.NameOf(batch.Status)}'."));
            },
            cancellationToken);
    }

    /// <summary>Changes a batch's state; null when its state of the moment does not allow it.</summary>
    public Task<Batch?> MoveAsync(long seq, BatchStatus to, CancellationToken cancellationToken)
    {
        long now = Now;
        return database.WriteAsync(session => Move(session, seq, to, now), cancellationToken);
    }

    /// <summary>Ends the validation with errors; null when the batch has been cancelled meanwhile.</summary>
    public Task<Batch?> FailAsync(long seq, string errors, CancellationToken cancellationToken)
    {
        long now = Now;
        return database.WriteAsync(
            session =>
            {
                Batch? failed = Move(session, seq, BatchStatus.Failed, now);
                return failed is null ? null : session.First($"update batches set errors = $2 where seq = $1 returning {Batch.Columns}", Batch.Read, seq, errors);
            },
            cancellationToken);
    }

    /// <summary>Keeps where the requests stand and begins to run them; null when the batch has been cancelled meanwhile.</summary>
    public async Task<Batch?> StartAsync(long seq, string model, IReadOnlyList<BatchLine> lines, CancellationToken cancellationToken)
    {
        await DropRequestsAsync(seq, cancellationToken); // what a crash has left of an earlier validation
        foreach (BatchLine[] chunk in lines.Chunk(RowsAtOnce))
        {
            await database.WriteAsync(
                session =>
                {
                    foreach (BatchLine line in chunk)
                    {
                        session.Execute(
                            "insert into batch_requests (batch, line, custom_id, start, length) values ($1, $2, $3, $4, $5)", seq, line.Line, line.CustomId, line.Start, line.Length);
                    }
                },
                cancellationToken);
        }

        long now = Now;
        return await database.WriteAsync(
            session =>
            {
                Batch? started = Move(session, seq, BatchStatus.InProgress, now);
                return started is null
                    ? null
                    : session.First($"update batches set model = $2, total = $3 where seq = $1 returning {Batch.Columns}", Batch.Read, seq, model, lines.Count);
            },
            cancellationToken);
    }

    /// <summary>The next requests that are not done.</summary>
    public Task<List<BatchLine>> OpenAsync(long seq, int afterLine, int most, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.Query(
            "select line, custom_id, start, length from batch_requests where batch = $1 and outcome = 0 and line > $2 order by line limit $3",
            static row => new BatchLine(row.GetInt32(0), row.GetString(1), row.GetInt64(2), row.GetInt32(3)),
            seq, afterLine, most),
        cancellationToken);

    /// <summary>Keeps the result of a request, once: false when it has one already.</summary>
    public Task<bool> RecordAsync(long seq, int line, bool completed, byte[] result, BatchUsage usage, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            if (session.Execute("update batch_requests set outcome = $3, result = $4 where batch = $1 and line = $2 and outcome = 0", seq, line, completed ? 1 : 2, result) == 0)
            {
                return false;
            }

            session.Execute(
                """
                update batches set completed = completed + $2, failed = failed + $3,
                    input_tokens = input_tokens + $4, cached_tokens = cached_tokens + $5, output_tokens = output_tokens + $6, reasoning_tokens = reasoning_tokens + $7
                where seq = $1
                """,
                seq, completed ? 1 : 0, completed ? 0 : 1, usage.InputTokens, usage.CachedTokens, usage.OutputTokens, usage.ReasoningTokens);
            return true;
        },
        cancellationToken);

    /// <summary>Which lines a result file has, and about how many bytes each.</summary>
    public Task<List<(int Line, int Bytes)>> ResultSizesAsync(long seq, bool completed, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.Query(
            "select line, length(result) from batch_requests where batch = $1 and case when outcome = 1 then 1 else 0 end = $2 order by line",
            static row => (row.GetInt32(0), row.IsDBNull(1) ? 0 : row.GetInt32(1)),
            seq, completed ? 1 : 0),
        cancellationToken);

    /// <summary>The results of a range of lines; null for requests that were not run.</summary>
    public Task<List<(int Line, string CustomId, byte[]? Result)>> ResultsAsync(long seq, bool completed, int first, int last, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.Query(
            "select line, custom_id, result from batch_requests where batch = $1 and case when outcome = 1 then 1 else 0 end = $2 and line between $3 and $4 order by line",
            static row => (row.GetInt32(0), row.GetString(1), row.IsDBNull(2) ? null : (byte[])row.GetValue(2)),
            seq, completed ? 1 : 0, first, last),
        cancellationToken);

    /// <summary>Ends a batch together with its files, in one transaction; null when its state of the moment does not allow it.</summary>
    public async Task<Batch?> FinishAsync(Batch batch, BatchStatus to, Blob? output, Blob? error, CancellationToken cancellationToken)
    {
        long now = Now;
        Blob[] blobs = [.. new[] { output, error }.OfType<Blob>()];
        Batch? ended = await files.ReferAsync(
            blobs,
            session =>
            {
                if (Move(session, batch.Seq, to, now) is null)
                {
                    return null;
                }

                string? outputId = output is { } results ? files.Insert(session, batch.Project, FilePurpose.BatchOutput, batch.Id + "_output.jsonl", results, batch.OutputLifetime, now).Id : null;
                string? errorId = error is { } failures ? files.Insert(session, batch.Project, FilePurpose.BatchOutput, batch.Id + "_error.jsonl", failures, batch.OutputLifetime, now).Id : null;
                return session.First(
                    $"""
                    update batches set output_file_id = $2, error_file_id = $3,
                        failed = failed + (select count(*) from batch_requests where batch = $1 and outcome = 0)
                    where seq = $1 returning {Batch.Columns}
                    """,
                    Batch.Read, batch.Seq, outputId, errorId);
            },
            cancellationToken);
        if (ended is null)
        {
            await files.ReleaseAsync(blobs, cancellationToken);
        }

        return ended;
    }

    /// <summary>Removes the requests of a batch that has ended, a few at a time so that other writes go between.</summary>
    public async Task DropRequestsAsync(long seq, CancellationToken cancellationToken)
    {
        while (await database.WriteAsync(
            session => session.Execute("delete from batch_requests where batch = $1 and line in (select line from batch_requests where batch = $1 limit $2)", seq, RowsAtOnce), cancellationToken) > 0)
        {
        }
    }

    /// <summary>Removes the requests of every batch that has ended: what a crash may have left.</summary>
    public async Task DropLeftoversAsync(CancellationToken cancellationToken)
    {
        List<long> ended = await database.ReadAsync(
            static session => session.Query(
                """
                select seq from batches where status in ('failed', 'completed', 'expired', 'cancelled')
                    and exists (select 1 from batch_requests where batch = batches.seq)
                """,
                static row => row.GetInt64(0)),
            cancellationToken);
        foreach (long seq in ended)
        {
            await DropRequestsAsync(seq, cancellationToken);
        }
    }

    private static Batch? Move(SqlSession session, long seq, BatchStatus to, long now)
    {
        // An update, so that another gateway's waits for this one's end.
        Batch? batch = session.First($"update batches set project = project where seq = $1 returning {Batch.Columns}", Batch.Read, seq);
        if (batch is null || !BatchLife.MayBecome(batch.Status, to))
        {
            return null;
        }

        if (BatchLife.IsFinal(to))
        {
            FileStore.Release(session, batch.InputHash);
        }

        return session.First($"update batches set status = $2, {BatchLife.ColumnOf(to)} = $3 where seq = $1 returning {Batch.Columns}", Batch.Read, seq, BatchLife.NameOf(to), now);
    }
}
