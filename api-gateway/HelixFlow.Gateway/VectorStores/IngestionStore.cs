using System.Buffers.Binary;
using HelixFlow.Gateway.Membership;
using HelixFlow.Storage;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>A chunk whose vector is to be made.</summary>
internal readonly record struct OpenChunk(long Seq, string Text);

/// <summary>What reading a file needs to know of its store.</summary>
internal readonly record struct StoreOfFile(string Project, string Model, int Dimensions);

/// <summary>The queue of files that are read into stores, and what has been done of each. Thread-safe.</summary>
/// <remarks>Every write first looks whether the file is still wanted: it may have been removed, cancelled or added again meanwhile.</remarks>
internal sealed class IngestionStore(IDatabase database, GatewayMembership membership, TimeProvider time)
{
    private const int BytesPerValue = sizeof(float);

    /// <summary>How often to look for files that another gateway has left; infinite when there is none.</summary>
    public TimeSpan LookInterval => membership.IsShared ? membership.LookInterval : TimeSpan.MaxValue;

    /// <summary>Files to read that no other gateway reads, the projects in turns, in the order in which each added them.</summary>
    public Task<List<StoreFile>> WaitingAsync(int most, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.Query(
            $"""
            select {StoreFile.Columns} from
                (select f.*, row_number() over (partition by s.project order by f.seq) as turn
                 from vector_files f join vector_stores s on s.seq = f.store where f.status = 'in_progress' and {GatewayMembership.IsFree}) as vector_files
            order by turn, seq limit $3
            """,
            StoreFile.Read,
            membership.Id, membership.Now, most),
        cancellationToken);

    /// <summary>Makes this gateway the one that reads a file; false when another one was faster.</summary>
    public Task<bool> TakeAsync(StoreFile file, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.Execute($"update vector_files set owner = $1 where seq = $3 and {GatewayMembership.IsFree}", membership.Id, membership.Now, file.Seq) > 0, cancellationToken);

    /// <summary>Null when the file is not wanted any more.</summary>
    public Task<StoreOfFile?> StoreAsync(StoreFile file, CancellationToken cancellationToken) => database.ReadAsync(
        session => IsWanted(session, file)
            ? session.First(
                "select project, model, coalesce(dimensions, 0) from vector_stores where seq = $1",
                static row => (StoreOfFile?)new StoreOfFile(row.GetString(0), row.GetString(1), row.GetInt32(2)),
                file.Store)
            : null,
        cancellationToken);

    /// <summary>Stores the chunks of a file, all at once: from then on they do not change.</summary>
    public Task CutAsync(StoreFile file, IReadOnlyList<string> chunks, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            if (!IsWanted(session, file) || session.Number("select is_cut from vector_files where seq = $1", file.Seq) != 0)
            {
                return;
            }

            for (int i = 0; i < chunks.Count; i++)
            {
                if (database.Dialect == SqlDialect.Postgres)
                {
                    (string words, int count) = WordIndex.Of(chunks[i]);
                    session.Execute("insert into vector_chunks (file, position, text, words, word_count) values ($1, $2, $3, $4::tsvector, $5)", file.Seq, i, chunks[i], words, count);
                }
                else
                {
                    session.Execute("insert into vector_chunks (file, position, text) values ($1, $2, $3)", file.Seq, i, chunks[i]);
                }
            }

            session.Execute("update vector_files set is_cut = 1 where seq = $1", file.Seq);
        },
        cancellationToken);

    /// <summary>The next chunks without a vector.</summary>
    public Task<List<OpenChunk>> OpenAsync(StoreFile file, int most, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.Query(
            "select seq, text from vector_chunks where file = $1 and vector is null order by position limit $2", static row => new OpenChunk(row.GetInt64(0), row.GetString(1)), file.Seq, most),
        cancellationToken);

    /// <exception cref="IngestionException">The store's vectors have another length.</exception>
    public Task AddVectorsAsync(StoreFile file, IReadOnlyList<OpenChunk> chunks, float[][] vectors, CancellationToken cancellationToken)
    {
        byte[][] blobs = [.. vectors.Select(ToBytes)];
        return database.WriteAsync(
            session =>
            {
                if (!IsWanted(session, file))
                {
                    return;
                }

                session.Execute("update vector_stores set dimensions = $2 where seq = $1 and dimensions is null", file.Store, vectors[0].Length);
                long dimensions = session.Number("select dimensions from vector_stores where seq = $1", file.Store);
                for (int i = 0; i < chunks.Count; i++)
                {
                    if (vectors[i].Length != dimensions)
                    {
                        throw new IngestionException(
                            IngestionException.Server, $"The model now makes vectors of {vectors[i].Length} values, and those of this store have {dimensions}: it is not the model that it was.");
                    }

                    session.Execute("update vector_chunks set vector = $2 where seq = $1 and vector is null", chunks[i].Seq, blobs[i]);
                }
            },
            cancellationToken);
    }

    /// <summary>Lets searches find the file.</summary>
    public Task CompleteAsync(StoreFile file, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            if (IsWanted(session, file))
            {
                bool isPostgres = database.Dialect == SqlDialect.Postgres;
                if (!isPostgres)
                {
                    session.Execute("update vector_chunks set scope = $2 where file = $1", file.Seq, ScopeOf(file.Store));
                }

                string bytes = isPostgres ? "octet_length(text)" : "length(cast(text as blob))";
                session.Execute(
                    $"""
                    update vector_files set status = 'completed',
                        usage_bytes = (select cast(coalesce(sum({bytes} + length(vector)), 0) as bigint) from vector_chunks where file = $1)
                    where seq = $1
                    """,
                    file.Seq);
            }
        },
        cancellationToken);

    public Task FailAsync(StoreFile file, string code, string message, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            if (IsWanted(session, file))
            {
                session.Execute("delete from vector_chunks where file = $1", file.Seq);
                session.Execute("update vector_files set status = 'failed', error_code = $2, error_message = $3 where seq = $1", file.Seq, code, message);
            }
        },
        cancellationToken);

    /// <summary>Removes the files of stores that have expired.</summary>
    public Task SweepAsync(CancellationToken cancellationToken)
    {
        long now = time.GetUtcNow().ToUnixTimeSeconds();
        return database.WriteAsync(
            session =>
            {
                session.Execute("delete from vector_files where store in (select seq from vector_stores where last_active_at + expires_days * 86400 <= $1)", now);
            },
            cancellationToken);
    }

    /// <summary>The word that stands for a store in the text index.</summary>
    public static string ScopeOf(long store) => $"s{store}";

    /// <summary>The values of a vector that was stored.</summary>
    public static void Read(ReadOnlySpan<byte> bytes, Span<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = BinaryPrimitives.ReadSingleLittleEndian(bytes[(i * BytesPerValue)..]);
        }
    }

    private static byte[] ToBytes(float[] values)
    {
        byte[] bytes = new byte[values.Length * BytesPerValue];
        for (int i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * BytesPerValue), values[i]);
        }

        return bytes;
    }

    private bool IsWanted(SqlSession session, StoreFile file) =>
        session.Number("select count(*) from vector_files where seq = $1 and status = 'in_progress' and owner = $2", file.Seq, membership.Id) != 0;
}
