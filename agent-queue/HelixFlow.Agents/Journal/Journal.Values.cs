using System.Security.Cryptography;
using HelixFlow.Agents.Values;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>A value on its way into the journal: a small one goes into the transaction that refers to it, a large one is in the store already.</summary>
/// <param name="Reference">What refers to it: its hash, or the value itself.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="Small">Its bytes; null for a large one.</param>
/// <param name="Life">Under which life a large one is stored.</param>
internal readonly record struct StoredValue(string Reference, long Length, byte[]? Small, string Life);

public sealed partial class Journal
{
    private const int LifeBytes = 8;

    // A value that is there already is taken as it is when it was touched not long ago; otherwise it is touched again, before a collection can take it.
    private const string KeepSmall = """
        insert into blobs (hash, length, content, life, is_stored, touched_at) select $1, $2, {0}, '', 0, $4
        where not exists (select 1 from blobs where hash = $1 and touched_at > $5 and (content is not null or is_stored = 1))
        on conflict (hash) do update set touched_at = $4, content = coalesce(blobs.content, excluded.content)
        """;

    private static readonly string KeepSmallInSqlite = KeepSmall.Replace("{0}", "$3", StringComparison.Ordinal);
    private static readonly string KeepSmallInPostgres = KeepSmall.Replace("{0}", "$3::bytea", StringComparison.Ordinal)
        .Replace("$1, $2,", "$1::text, $2::bigint,", StringComparison.Ordinal).Replace("0, $4", "0, $4::bigint", StringComparison.Ordinal);

    /// <summary>Reads a value by what refers to it.</summary>
    /// <exception cref="KeyNotFoundException">It is not there.</exception>
    /// <exception cref="StorageException">The store cannot be reached, or the value is damaged.</exception>
    public async Task<byte[]> ReadAsync(string reference, CancellationToken cancellationToken) =>
        ValueReference.ValueOf(reference) ?? await ReadStoredAsync(reference, cancellationToken).ConfigureAwait(false);

    private async Task<byte[]> ReadStoredAsync(string hash, CancellationToken cancellationToken)
    {
        (byte[]? small, string life, long length) = await FindAsync(hash, cancellationToken).ConfigureAwait(false);
        if (small is not null)
        {
            return small;
        }

        byte[] content = new byte[length];
        await CopyAsync(new BlobKey(hash, life), 0, length, new MemoryStream(content), cancellationToken).ConfigureAwait(false);
        return ActionDigest.HashOf(content) == hash ? content : throw new StorageException(StorageFailure.Damaged, $"The value {hash} is not what was stored.");
    }

    /// <summary>Copies a part of a value that has a hash, and may be large.</summary>
    /// <exception cref="KeyNotFoundException">It is not there.</exception>
    /// <exception cref="StorageException">The store cannot be reached, or has fewer bytes.</exception>
    public async Task CopyAsync(string hash, long offset, long length, Stream destination, CancellationToken cancellationToken)
    {
        (byte[]? small, string life, _) = await FindAsync(hash, cancellationToken).ConfigureAwait(false);
        if (small is null)
        {
            await CopyAsync(new BlobKey(hash, life), offset, length, destination, cancellationToken).ConfigureAwait(false);
            return;
        }

        await destination.WriteAsync(small.AsMemory((int)offset, (int)length), cancellationToken).ConfigureAwait(false);
    }

    private async Task<(byte[]? Small, string Life, long Length)> FindAsync(string hash, CancellationToken cancellationToken)
    {
        (byte[]? small, string? life, long length) = await database.ReadAsync(
            session => session.First(
                "select content, life, length from blobs where hash = $1 and (content is not null or is_stored = 1)",
                static row => (row.IsDBNull(0) ? null : row.GetFieldValue<byte[]>(0), row.GetString(1), row.GetInt64(2)), hash),
            cancellationToken).ConfigureAwait(false);
        return life is null ? throw new KeyNotFoundException($"There is no value {hash}.") : (small, life, length);
    }

    private async Task CopyAsync(BlobKey key, long offset, long length, Stream destination, CancellationToken cancellationToken)
    {
        try
        {
            await blobs.CopyAsync(key, offset, length, destination, cancellationToken).ConfigureAwait(false);
        }
        catch (FileNotFoundException exception)
        {
            throw new KeyNotFoundException($"There is no value {key.Hash}.", exception);
        }
    }

    /// <summary>Makes canonical JSON durable before anything refers to it, if it is large.</summary>
    private Task<StoredValue> StoreAsync(byte[] canonical, CancellationToken cancellationToken) => canonical.Length <= options.InReferenceBytes
        ? Task.FromResult(new StoredValue(ValueReference.OfSmall(canonical), canonical.Length, canonical, ""))
        : StoreByHashAsync(canonical, cancellationToken);

    /// <summary>As the other one, for bytes of any kind, and for what is asked for by its hash.</summary>
    private async Task<StoredValue> StoreByHashAsync(byte[] value, CancellationToken cancellationToken)
    {
        string hash = ActionDigest.HashOf(value);
        if (value.Length <= options.InlineBytes)
        {
            return new StoredValue(hash, value.Length, value, "");
        }

        (string life, bool isStored) = await AnnounceAsync(new Blob(hash, value.Length), cancellationToken).ConfigureAwait(false);
        if (!isStored)
        {
            using BlobDraft draft = await blobs.DraftAsync(new MemoryStream(value), long.MaxValue, cancellationToken).ConfigureAwait(false);
            await blobs.KeepAsync(draft, life, cancellationToken).ConfigureAwait(false);
        }

        return new StoredValue(hash, value.Length, null, life);
    }

    /// <summary>As the other one, for content that may be too large for the memory.</summary>
    private async Task<StoredValue> StoreAsync(ContentDraft content, CancellationToken cancellationToken)
    {
        if (content.Large is not { } draft)
        {
            return await StoreByHashAsync(content.Small!, cancellationToken).ConfigureAwait(false);
        }

        (string life, bool isStored) = await AnnounceAsync(draft.Blob, cancellationToken).ConfigureAwait(false);
        if (!isStored)
        {
            await blobs.KeepAsync(draft, life, cancellationToken).ConfigureAwait(false);
        }

        return new StoredValue(content.Hash, content.Length, null, life);
    }

    /// <summary>Keeps a value in the transaction that begins to refer to it.</summary>
    /// <exception cref="StorageException">It was collected, as storing it and referring to it lay too far apart: store it again.</exception>
    private void Keep(Change change, StoredValue value)
    {
        if (ValueReference.IsValue(value.Reference))
        {
            return;
        }

        if (value.Small is not null)
        {
            change.Session.Post(
                change.IsPostgres ? KeepSmallInPostgres : KeepSmallInSqlite, value.Reference, value.Length, value.Small, change.Now, change.Now - (options.BlobGraceMs / 2));
        }
        else if (change.Session.Execute("update blobs set is_stored = 1, touched_at = $3 where hash = $1 and life = $2", value.Reference, value.Life, change.Now) == 0)
        {
            throw new StorageException(StorageFailure.Unavailable, $"The value {value.Reference} was collected before anything referred to it.");
        }
    }

    // Told before it is stored, so that a collection knows of what a crash leaves in the store.
    private async Task<(string Life, bool IsStored)> AnnounceAsync(Blob blob, CancellationToken cancellationToken)
    {
        string life = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(LifeBytes));
        return await WriteAsync(
            change => change.Session.First(
                """
                insert into blobs (hash, length, content, life, is_stored, touched_at) values ($1, $2, null, $3, 0, $4)
                on conflict (hash) do update set touched_at = $4 returning life, case when content is not null or is_stored = 1 then 1 else 0 end
                """,
                static row => (row.GetString(0), row.GetInt64(1) == 1), blob.Hash, blob.Length, life, change.Now),
            cancellationToken).ConfigureAwait(false);
    }
}
