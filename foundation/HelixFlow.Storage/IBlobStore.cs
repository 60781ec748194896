namespace HelixFlow.Storage;

/// <summary>Where large values are kept, addressed by their content: a local folder, or a bucket that several machines share.</summary>
/// <remarks>
/// A blob appears whole or not at all, and is durable when <see cref="KeepAsync"/> returns. The store does not know who refers to a blob: whoever
/// deletes one must. All members may be called from any thread.
/// </remarks>
public interface IBlobStore
{
    /// <summary>Reads a stream to its end, never held in memory as a whole, into a file that is not in the store yet: only then its address is known.</summary>
    /// <param name="content">Read to its end.</param>
    /// <param name="maxBytes">The most that it may hold.</param>
    /// <param name="cancellationToken">Leaves nothing behind.</param>
    /// <exception cref="StorageException">It holds more, or the disk is full: nothing was stored.</exception>
    Task<BlobDraft> DraftAsync(Stream content, long maxBytes, CancellationToken cancellationToken);

    /// <summary>Puts a draft into the store. Done a second time under the same key it changes nothing.</summary>
    /// <param name="draft">What was read; it may be kept once and is disposed by its owner.</param>
    /// <param name="life">The key's <see cref="BlobKey.Life"/>.</param>
    /// <param name="cancellationToken">Leaves nothing behind that could be read.</param>
    /// <exception cref="StorageException">The store is full, cannot be reached, or refuses.</exception>
    Task KeepAsync(BlobDraft draft, string life, CancellationToken cancellationToken);

    /// <summary>Copies a part of a blob.</summary>
    /// <param name="key">Which blob.</param>
    /// <param name="offset">The first byte.</param>
    /// <param name="length">How many bytes; the blob must have them.</param>
    /// <param name="destination">Gets them.</param>
    /// <param name="cancellationToken">Ends it midway.</param>
    /// <exception cref="FileNotFoundException">There is no such blob.</exception>
    /// <exception cref="StorageException">The store cannot be reached, refuses, or has fewer bytes.</exception>
    Task CopyAsync(BlobKey key, long offset, long length, Stream destination, CancellationToken cancellationToken);

    /// <summary>Removes a blob; one that is not there is no error.</summary>
    /// <exception cref="StorageException">The store cannot be reached, or refuses.</exception>
    Task DeleteAsync(BlobKey key, CancellationToken cancellationToken);
}

/// <summary>A blob that is durable.</summary>
/// <param name="Hash">SHA-256 of its bytes, 64 lower-case hexadecimal digits: its address.</param>
/// <param name="Length">Its length in bytes.</param>
public readonly record struct Blob(string Hash, long Length);

/// <summary>What a blob is called in a store.</summary>
/// <param name="Hash">SHA-256 of its bytes, 64 lower-case hexadecimal digits.</param>
/// <param name="Life">
/// Empty, or up to 32 lower-case letters and digits: content that was deleted and is stored again has another life, so that a deletion which comes
/// late, from a process that was paused, cannot hit what is there now.
/// </param>
public readonly record struct BlobKey(string Hash, string Life = "")
{
    private const int LongestLife = 32;

    /// <summary>The name below the store's root: two digits, a slash, the other digits, and the life after a dash.</summary>
    /// <exception cref="ArgumentException">The hash or the life is none.</exception>
    public string Path
    {
        get
        {
            if (!IsHash(Hash))
            {
                throw new ArgumentException($"\"{Hash}\" is no SHA-256 in lower-case hexadecimal digits.");
            }

            if (Life.Length > LongestLife || !Life.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c)))
            {
                throw new ArgumentException($"\"{Life}\" is no life of a blob: up to {LongestLife} lower-case letters and digits.");
            }

            return Life.Length == 0 ? $"{Hash[..2]}/{Hash[2..]}" : $"{Hash[..2]}/{Hash[2..]}-{Life}";
        }
    }

    /// <summary>Whether a text is a SHA-256 in lower-case hexadecimal digits.</summary>
    public static bool IsHash(string text) => text.Length == 64 && text.All(char.IsAsciiHexDigitLower);
}
