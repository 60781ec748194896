using HelixFlow.Gateway.Requests;
using HelixFlow.Storage;

namespace HelixFlow.Gateway.Files;

/// <summary>The files of all projects: their rows in the database and their bytes as blobs. Thread-safe.</summary>
/// <remarks>
/// Equal content is one blob. A blob that a row lets go of is noted in <c>released_blobs</c> in the same transaction, and deleted afterwards when no
/// row refers to it; a lock, in PostgreSQL one of all gateways, keeps rows from beginning to refer to it meanwhile. A crash between leaves a note, never
/// a row without its blob.
/// </remarks>
internal sealed class FileStore(IDatabase database, BlobFolder blobs, FileStoreOptions options, TimeProvider time) : IDisposable
{
    private const string IsUsed =
        """
        select exists (select 1 from files where hash = $1)
            or exists (select 1 from upload_parts where hash = $1)
            or exists (select 1 from batches where input_hash = $1 and status in ('validating', 'in_progress', 'finalizing', 'cancelling'))
        """;

    private const long BlobLock = 0x68656C6978_626C; // any number that other users of the server do not use

    private readonly SemaphoreSlim _references = new(1);

    public BlobFolder Blobs => blobs;

    private long Now => time.GetUtcNow().ToUnixTimeSeconds();

    /// <summary>Adds a file whose bytes have been stored.</summary>
    /// <param name="project">Whose it is.</param>
    /// <param name="purpose">What it is for.</param>
    /// <param name="filename">Its name.</param>
    /// <param name="blob">Its bytes; released when it cannot be added.</param>
    /// <param name="lifetime">Seconds after which it expires; null for the purpose's default.</param>
    /// <param name="cancellationToken">Cancels while it waits.</param>
    public async Task<StoredFile> AddAsync(string project, string purpose, string filename, Blob blob, long? lifetime, CancellationToken cancellationToken) =>
        await ReferAsync([blob], session => Insert(session, project, purpose, filename, blob, lifetime, Now), cancellationToken);

    /// <summary>Runs a write whose rows begin to refer to blobs. When it fails they are released.</summary>
    public async Task<T> ReferAsync<T>(IReadOnlyList<Blob> referred, Func<SqlSession, T> write, CancellationToken cancellationToken)
    {
        try
        {
            await _references.WaitAsync(cancellationToken);
            try
            {
                return await database.WriteAsync(
                    session =>
                    {
                        Exclude(session);
                        return referred.All(blob => blobs.Contains(blob.Hash)) ? write(session) : throw FileErrors.Lost();
                    },
                    cancellationToken);
            }
            finally
            {
                _references.Release();
            }
        }
        catch
        {
            await ReleaseAsync(referred, CancellationToken.None);
            throw;
        }
    }

    /// <summary>Adds the row of a file, inside a write of <see cref="ReferAsync"/>.</summary>
    public StoredFile Insert(SqlSession session, string project, string purpose, string filename, Blob blob, long? lifetime, long now)
    {
        lifetime ??= purpose == FilePurpose.Batch ? (long)options.BatchFileLifetime.TotalSeconds : null;
        return session.First(
            $"insert into files (id, project, purpose, filename, bytes, created_at, expires_at, hash) values ($1, $2, $3, $4, $5, $6, $7, $8) returning {StoredFile.Columns}",
            StoredFile.Read,
            ObjectId.New("file-"), project, purpose, filename, blob.Length, now, now + lifetime, blob.Hash)!;
    }

    /// <summary>Notes that a row no longer refers to a blob, inside the write that changes the row.</summary>
    public static void Release(SqlSession session, string hash) => session.Execute("insert into released_blobs (hash) values ($1) on conflict do nothing", hash);

    /// <summary>Deletes blobs that were stored for rows which then were not written; needs no room on the disk.</summary>
    public async Task ReleaseAsync(IReadOnlyList<Blob> unused, CancellationToken cancellationToken)
    {
        await _references.WaitAsync(cancellationToken);
        try
        {
            await database.WriteAsync(
                session =>
                {
                    Exclude(session);
                    foreach (Blob blob in unused.Where(blob => session.Number(IsUsed, blob.Hash) == 0))
                    {
                        blobs.Delete(blob.Hash);
                    }
                },
                cancellationToken);
        }
        finally
        {
            _references.Release();
        }
    }

    public Task<StoredFile?> FindAsync(string project, string id, CancellationToken cancellationToken)
    {
        long now = Now;
        return database.ReadAsync(
            session => session.First(
                $"select {StoredFile.Columns} from files where id = $1 and project = $2 and (expires_at is null or expires_at > $3)", StoredFile.Read, id, project, now),
            cancellationToken);
    }

    /// <summary>A part of a project's files in the order of their creation.</summary>
    /// <exception cref="Errors.OpenAiException">The file that the page would follow is not there.</exception>
    public Task<Page<StoredFile>> ListAsync(string project, string? purpose, PageQuery page, CancellationToken cancellationToken)
    {
        long now = Now;
        return database.ReadAsync(
            session =>
            {
                long after = page.After is null ? (page.Descending ? long.MaxValue : 0) : session.Number("select seq from files where id = $1 and project = $2", page.After, project);
                if (after == 0 && page.After is not null)
                {
                    throw FileErrors.NoSuch("File", page.After, "after");
                }

                string sql =
                    $"""
                    select {StoredFile.Columns} from files
                    where project = $1 and (cast($2 as text) is null or purpose = $2) and seq {(page.Descending ? "<" : ">")} $3 and (expires_at is null or expires_at > $4)
                    order by seq {(page.Descending ? "desc" : "asc")} limit $5
                    """;
                return Page<StoredFile>.Of(session.Query(sql, StoredFile.Read, project, purpose, after, now, page.Limit + 1), page.Limit);
            },
            cancellationToken);
    }

    /// <summary>Deletes a file; false when the project has none of this id.</summary>
    public async Task<bool> DeleteAsync(string project, string id, CancellationToken cancellationToken)
    {
        long now = Now;
        bool deleted = await database.WriteAsync(
            session =>
            {
                string? hash = session.First(
                    "delete from files where id = $1 and project = $2 and (expires_at is null or expires_at > $3) returning hash", static row => row.GetString(0), id, project, now);
                if (hash is not null)
                {
                    Release(session, hash);
                }

                return hash is not null;
            },
            cancellationToken);
        await PurgeAsync(cancellationToken);
        return deleted;
    }

    /// <summary>Removes what has expired, and the blobs that nothing refers to.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        long now = Now;
        await database.WriteAsync(
            session =>
            {
                foreach (string hash in session.Query("delete from files where expires_at <= $1 returning hash", static row => row.GetString(0), now))
                {
                    Release(session, hash);
                }

                session.Execute("update uploads set status = 'expired' where status = 'pending' and expires_at <= $1", now);
                foreach (string hash in session.Query(
                    "delete from upload_parts where upload in (select seq from uploads where status <> 'pending') returning hash", static row => row.GetString(0)))
                {
                    Release(session, hash);
                }
            },
            cancellationToken);
        await PurgeAsync(cancellationToken);
    }

    /// <summary>Deletes the blobs that were released and that nothing refers to.</summary>
    public async Task PurgeAsync(CancellationToken cancellationToken)
    {
        await _references.WaitAsync(cancellationToken);
        try
        {
            if (await database.ReadAsync(static session => session.Number("select count(*) from released_blobs"), cancellationToken) == 0)
            {
                return;
            }

            // A blob goes before its note: when the write fails, both are tried again.
            await database.WriteAsync(
                session =>
                {
                    Exclude(session);
                    foreach (string hash in session.Query("select hash from released_blobs", static row => row.GetString(0)))
                    {
                        if (session.Number(IsUsed, hash) == 0)
                        {
                            blobs.Delete(hash);
                        }

                        session.Execute("delete from released_blobs where hash = $1", hash);
                    }
                },
                cancellationToken);
        }
        finally
        {
            _references.Release();
        }
    }

    public void Dispose() => _references.Dispose();

    // Other gateways on the same database and folder neither begin to refer to blobs nor delete any until the write has ended.
    private void Exclude(SqlSession session)
    {
        if (database.Dialect == SqlDialect.Postgres)
        {
            session.Execute("select pg_advisory_xact_lock($1)", BlobLock);
        }
    }
}
