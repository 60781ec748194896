using HelixFlow.Gateway.Files;
using HelixFlow.Gateway.Requests;
using HelixFlow.Storage;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>A file that a client adds to a store.</summary>
internal readonly record struct AddedFile(string FileId, ChunkingStrategy Chunking, string? Attributes, string Param);

/// <summary>The rows of vector stores, their files and batches, for the clients' side. Thread-safe.</summary>
internal sealed class VectorCatalog(IDatabase database, TimeProvider time)
{
    public long Now => time.GetUtcNow().ToUnixTimeSeconds();

    /// <summary>Makes a store and adds its first files.</summary>
    public Task<VectorStore> CreateAsync(
        string project, string name, string? description, string? metadata, long? expiresDays, string? model, IReadOnlyList<AddedFile> files, CancellationToken cancellationToken)
    {
        long now = Now;
        return database.WriteAsync(
            session =>
            {
                long seq = session.Number(
                    """
                    insert into vector_stores (id, project, name, description, metadata, created_at, last_active_at, expires_days, model)
                    values ($1, $2, $3, $4, $5, $6, $6, $7, $8) returning seq
                    """,
                    ObjectId.New("vs_"), project, name, description, metadata, now, expiresDays, model);
                foreach (AddedFile file in files)
                {
                    Add(session, project, seq, null, file, now);
                }

                return session.First($"select {VectorStore.Columns} from vector_stores where seq = $1", VectorStore.Read, seq)!;
            },
            cancellationToken);
    }

    /// <exception cref="Errors.OpenAiException">The project has no such store.</exception>
    public Task<VectorStore> GetAsync(string project, string id, CancellationToken cancellationToken) => database.ReadAsync(session => Find(session, project, id), cancellationToken);

    public Task<Page<VectorStore>> ListAsync(string project, PageQuery page, string? before, CancellationToken cancellationToken) => database.ReadAsync(
        session => Window.Query(session, page, before, VectorStore.Read, VectorStore.Columns, "vector_stores", "id", "project = $1", project), cancellationToken);

    /// <summary>Changes what is given; null leaves a field as it is.</summary>
    public Task<VectorStore> UpdateAsync(
        string project, string id, string? name, string? metadata, bool setsExpiry, long? expiresDays, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            VectorStore store = Find(session, project, id);
            session.Execute(
                "update vector_stores set name = coalesce($2, name), metadata = coalesce($3, metadata), expires_days = case when $4 = 1 then $5 else expires_days end where seq = $1",
                store.Seq, name, metadata, setsExpiry, expiresDays);
            return Find(session, project, id);
        },
        cancellationToken);

    public Task DeleteAsync(string project, string id, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            session.Execute("delete from vector_stores where seq = $1", Find(session, project, id).Seq);
        },
        cancellationToken);

    /// <summary>Adds files to a store, together as a batch or each by itself. A file that it has already is read again.</summary>
    /// <exception cref="Errors.OpenAiException">The project has no such store or file, or the store has expired.</exception>
    public Task<(FileBatch? Batch, StoreFile Last)> AddAsync(string project, string id, bool asBatch, IReadOnlyList<AddedFile> files, string? model, CancellationToken cancellationToken)
    {
        long now = Now;
        return database.WriteAsync(
            session =>
            {
                VectorStore store = FindActive(session, project, id, now);
                session.Execute("update vector_stores set last_active_at = $2, model = coalesce(model, $3) where seq = $1", store.Seq, now, model);
                long? batch = asBatch
                    ? session.Number("insert into vector_batches (id, store, created_at) values ($1, $2, $3) returning seq", ObjectId.New("vsfb_"), store.Seq, now)
                    : null;
                StoreFile? last = null;
                foreach (AddedFile file in files)
                {
                    last = Add(session, project, store.Seq, batch, file, now);
                }

                return (batch is null ? null : session.First($"select {FileBatch.Columns} from vector_batches where seq = $1", FileBatch.Read, batch), last!);
            },
            cancellationToken);
    }

    /// <exception cref="Errors.OpenAiException">The project has no such store, or the store no such file.</exception>
    public Task<StoreFile> FileAsync(string project, string id, string fileId, CancellationToken cancellationToken) =>
        database.ReadAsync(session => FindFile(session, Find(session, project, id), fileId), cancellationToken);

    /// <summary>The files of a store, or of one of its batches.</summary>
    public Task<Page<StoreFile>> FilesAsync(string project, string id, string? batchId, string? status, PageQuery page, string? before, CancellationToken cancellationToken) => database.ReadAsync(
        session =>
        {
            VectorStore store = Find(session, project, id);
            long? batch = batchId is null ? null : FindBatch(session, store, batchId).Seq;
            return Window.Query(
                session, page, before, StoreFile.Read, StoreFile.Columns, "vector_files", "file_id", "store = $1 and (cast($5 as text) is null or status = $5) and (cast($6 as bigint) is null or batch = $6)", store.Seq, status, batch);
        },
        cancellationToken);

    public Task<StoreFile> SetAttributesAsync(string project, string id, string fileId, string? attributes, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            VectorStore store = Find(session, project, id);
            session.Execute("update vector_files set attributes = $2 where seq = $1", FindFile(session, store, fileId).Seq, attributes);
            return FindFile(session, store, fileId);
        },
        cancellationToken);

    public Task RemoveFileAsync(string project, string id, string fileId, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            session.Execute("delete from vector_files where seq = $1", FindFile(session, Find(session, project, id), fileId).Seq);
        },
        cancellationToken);

    public Task<FileBatch> BatchAsync(string project, string id, string batchId, CancellationToken cancellationToken) =>
        database.ReadAsync(session => FindBatch(session, Find(session, project, id), batchId), cancellationToken);

    /// <summary>Ends the files of a batch that are not completed.</summary>
    public Task<FileBatch> CancelAsync(string project, string id, string batchId, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            VectorStore store = Find(session, project, id);
            FileBatch batch = FindBatch(session, store, batchId);
            if (batch.Status == "in_progress")
            {
                session.Execute("delete from vector_chunks where file in (select seq from vector_files where batch = $1 and status = 'in_progress')", batch.Seq);
                session.Execute("update vector_files set status = 'cancelled' where batch = $1 and status = 'in_progress'", batch.Seq);
                session.Execute("update vector_batches set cancelled = 1 where seq = $1", batch.Seq);
            }

            return FindBatch(session, store, batchId);
        },
        cancellationToken);

    /// <exception cref="Errors.OpenAiException">The project has no such store, or it has expired.</exception>
    /// <summary>Says that stores can be searched.</summary>
    /// <exception cref="Errors.OpenAiException">The project has not one of them, or it has expired.</exception>
    public Task CheckAsync(string project, IReadOnlyList<string> ids, CancellationToken cancellationToken)
    {
        long now = Now;
        return database.ReadAsync(session => ids.Select(id => FindActive(session, project, id, now)).ToList(), cancellationToken);
    }

    public static VectorStore FindActive(SqlSession session, string project, string id, long now)
    {
        VectorStore store = Find(session, project, id);
        return store.IsExpired(now) ? throw RequestFields.Invalid("vector_store_id", $"The vector store {id} has expired.", "vector_store_expired") : store;
    }

    private static VectorStore Find(SqlSession session, string project, string id) =>
        session.First($"select {VectorStore.Columns} from vector_stores where id = $1 and project = $2", VectorStore.Read, id, project)
        ?? throw FileErrors.NoSuch("Vector store", id, "vector_store_id");

    private static StoreFile FindFile(SqlSession session, VectorStore store, string fileId) =>
        session.First($"select {StoreFile.Columns} from vector_files where store = $1 and file_id = $2", StoreFile.Read, store.Seq, fileId)
        ?? throw FileErrors.NoSuch("Vector store file", fileId, "file_id");

    private static FileBatch FindBatch(SqlSession session, VectorStore store, string batchId) =>
        session.First($"select {FileBatch.Columns} from vector_batches where store = $1 and id = $2", FileBatch.Read, store.Seq, batchId)
        ?? throw FileErrors.NoSuch("Vector store file batch", batchId, "batch_id");

    private static StoreFile Add(SqlSession session, string project, long store, long? batch, AddedFile added, long now)
    {
        StoredFile file = session.First(
            $"select {StoredFile.Columns} from files where id = $1 and project = $2 and (expires_at is null or expires_at > $3)", StoredFile.Read, added.FileId, project, now)
            ?? throw FileErrors.NoSuch("File", added.FileId, added.Param);
        session.Execute("delete from vector_files where store = $1 and file_id = $2", store, file.Id);
        return session.First(
            $"""
            insert into vector_files (store, batch, file_id, filename, hash, created_at, status, attributes, chunk_tokens, overlap_tokens)
            values ($1, $2, $3, $4, $5, $6, 'in_progress', $7, $8, $9) returning {StoreFile.Columns}
            """,
            StoreFile.Read,
            store, batch, file.Id, file.Filename, file.Hash, now, added.Attributes, added.Chunking.MaxTokens, added.Chunking.OverlapTokens)!;
    }

    /// <summary>Pages that may end before an object as well as begin after one.</summary>
    private static class Window
    {
        public static Page<T> Query<T>(
            SqlSession session, PageQuery page, string? before, Func<System.Data.Common.DbDataReader, T> read, string columns, string table, string idColumn, string condition,
            object owner, params ReadOnlySpan<object?> more)
        {
            string ofOwner = condition.Split(" and ")[0];
            long low = 0;
            long high = long.MaxValue;
            Narrow(page.After, page.Descending);
            Narrow(before, !page.Descending);

            // Of what lies before an object, a page shows what is next to it.
            bool isBackwards = before is not null && page.After is null;
            bool descending = page.Descending != isBackwards;
            string sql = $"select {columns} from {table} where {condition} and seq > $2 and seq < $3 order by seq {(descending ? "desc" : "asc")} limit $4";
            var rows = Page<T>.Of(session.Query(sql, read, [owner, low, high, (long)page.Limit + 1, .. more]), page.Limit);
            return isBackwards ? rows with { Items = [.. rows.Items.Reverse()] } : rows;

            void Narrow(string? id, bool isUpper)
            {
                if (id is null)
                {
                    return;
                }

                long seq = session.Number($"select seq from {table} where {ofOwner} and {idColumn} = $2", owner, id);
                if (seq == 0)
                {
                    throw PageQuery.UnknownAfter(id);
                }

                (low, high) = isUpper ? (low, Math.Min(high, seq)) : (Math.Max(low, seq), high);
            }
        }
    }
}
