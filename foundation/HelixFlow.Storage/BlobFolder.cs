namespace HelixFlow.Storage;

/// <summary>Files addressed by their content, in a folder.</summary>
/// <remarks>
/// A blob appears whole or not at all, and is on the disk when it was put. Equal content is kept once: whoever deletes a blob
/// must know that nobody else refers to it. All members may be called from any thread.
/// </remarks>
public sealed class BlobFolder : IBlobStore
{
    private const int BufferBytes = 128 * 1024;

    private readonly string _folder;
    private readonly string _incoming;

    /// <summary>Opens the folder, creates it if it is not there, and removes what an earlier process had not finished writing.</summary>
    /// <exception cref="IOException">It cannot be created.</exception>
    public BlobFolder(string folder)
        : this(folder, DateTimeOffset.MaxValue)
    {
    }

    private BlobFolder(string folder, DateTimeOffset leftBefore)
    {
        _folder = folder;
        _incoming = Path.Combine(folder, "incoming");
        Directory.CreateDirectory(_incoming);
        foreach (string left in Directory.EnumerateFiles(_incoming))
        {
            if (File.GetLastWriteTimeUtc(left) < leftBefore)
            {
                File.Delete(left);
            }
        }
    }

    /// <summary>Opens a folder that other processes use at the same time: what they are writing, or began to within a day, stays.</summary>
    /// <param name="folder">On a file system whose renames are atomic for all of them.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="IOException">It cannot be created.</exception>
    public static BlobFolder Share(string folder, TimeProvider time) => new(folder, time.GetUtcNow() - TimeSpan.FromDays(1));

    /// <inheritdoc />
    public Task<BlobDraft> DraftAsync(Stream content, long maxBytes, CancellationToken cancellationToken) =>
        BlobDraft.ReadAsync(_incoming, content, maxBytes, cancellationToken);

    /// <inheritdoc />
    public Task KeepAsync(BlobDraft draft, string life, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.Run(() => Keep(draft, new BlobKey(draft.Blob.Hash, life)), CancellationToken.None);
    }

    /// <inheritdoc />
    public async Task CopyAsync(BlobKey key, long offset, long length, Stream destination, CancellationToken cancellationToken)
    {
        await using FileStream file = Open(key);
        file.Position = offset;
        byte[] buffer = new byte[(int)Math.Clamp(length, 1, BufferBytes)];
        for (long left = length; left > 0;)
        {
            int read = await file.ReadAsync(buffer.AsMemory(0, (int)Math.Min(left, buffer.Length)), cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                throw new StorageException(StorageFailure.Damaged, $"The blob {key.Hash} in {_folder} has {left} bytes fewer than were asked for.");
            }

            await destination.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
            left -= read;
        }
    }

    /// <inheritdoc />
    public Task DeleteAsync(BlobKey key, CancellationToken cancellationToken) => Task.Run(() => Delete(key), cancellationToken);

    /// <summary>Stores what a stream holds, under its hash alone.</summary>
    /// <param name="content">Read to its end, never held in memory as a whole.</param>
    /// <param name="maxBytes">The most that it may hold.</param>
    /// <param name="cancellationToken">Leaves nothing behind.</param>
    /// <exception cref="StorageException">It holds more, or the disk is full: nothing was stored.</exception>
    public async Task<Blob> PutAsync(Stream content, long maxBytes, CancellationToken cancellationToken)
    {
        using BlobDraft draft = await DraftAsync(content, maxBytes, cancellationToken).ConfigureAwait(false);
        await KeepAsync(draft, "", CancellationToken.None).ConfigureAwait(false);
        return draft.Blob;
    }

    /// <summary>Opens a blob for reading at any place; several may read it at once, and one that is deleted meanwhile can still be read.</summary>
    /// <exception cref="FileNotFoundException">It is not there.</exception>
    public FileStream Open(string hash) => Open(new BlobKey(hash));

    /// <summary>Whether the blob is there.</summary>
    public bool Contains(string hash) => File.Exists(PathOf(new BlobKey(hash)));

    /// <summary>Removes a blob; one that is not there is no error.</summary>
    public void Delete(string hash) => Delete(new BlobKey(hash));

    private FileStream Open(BlobKey key)
    {
        string path = PathOf(key);
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, BufferBytes, FileOptions.Asynchronous);
        }
        catch (DirectoryNotFoundException)
        {
            throw new FileNotFoundException($"There is no blob {key.Hash}.", path);
        }
    }

    private void Keep(BlobDraft draft, BlobKey key)
    {
        try
        {
            string path = PathOf(key);
            string parent = Path.GetDirectoryName(path)!;
            if (!Directory.Exists(parent))
            {
                Directory.CreateDirectory(parent);
                DurableFolder.Flush(_folder);
            }

            File.Move(draft.Path, path, overwrite: true);
            DurableFolder.Flush(parent);
        }
        catch (IOException exception) when (DurableFolder.IsFull(exception))
        {
            throw new StorageException(StorageFailure.Full, $"The disk of {_folder} is full. Nothing was stored.", exception);
        }
    }

    private void Delete(BlobKey key)
    {
        string path = PathOf(key);
        if (File.Exists(path))
        {
            File.Delete(path);
        }
    }

    private string PathOf(BlobKey key) => Path.Combine(_folder, key.Path);
}
