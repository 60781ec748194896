using HelixFlow.Agents.Values;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

public sealed partial class Journal
{
    /// <summary>Reads a value by its hash.</summary>
    /// <exception cref="KeyNotFoundException">It is not there.</exception>
    public async Task<byte[]> ReadAsync(string hash, CancellationToken cancellationToken)
    {
        byte[]? inline = await database.ReadAsync(session => Inline(session, hash), cancellationToken).ConfigureAwait(false);
        if (inline is not null)
        {
            return inline;
        }

        if (!blobs.Contains(hash))
        {
            throw new KeyNotFoundException($"There is no value {hash}.");
        }

        await using FileStream file = blobs.Open(hash);
        byte[] content = new byte[file.Length];
        await file.ReadExactlyAsync(content, cancellationToken).ConfigureAwait(false);
        return content;
    }

    /// <summary>Makes a value durable before anything refers to it; the small ones go into the transaction that refers to them.</summary>
    private async Task<string> StoreAsync(byte[] value, CancellationToken cancellationToken)
    {
        if (value.Length <= options.InlineBytes)
        {
            return ActionDigest.HashOf(value);
        }

        Blob blob = await blobs.PutAsync(new MemoryStream(value), long.MaxValue, cancellationToken).ConfigureAwait(false);
        return blob.Hash;
    }

    private void KeepInline(Change change, string hash, byte[] value) => change.Session.Post(
        "insert into blobs (hash, length, content, created_at) values ($1, $2, $3, $4) on conflict (hash) do nothing",
        hash, (long)value.Length, value.Length <= options.InlineBytes ? value : null, change.Now);

    private static byte[]? Inline(SqlSession session, string hash) =>
        session.First("select content from blobs where hash = $1", static row => row.IsDBNull(0) ? null : row.GetFieldValue<byte[]>(0), hash);
}
