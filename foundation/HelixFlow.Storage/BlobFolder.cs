using System.Buffers;
using System.Security.Cryptography;

namespace HelixFlow.Storage;

/// <summary>A blob that is on the disk.</summary>
/// <param name="Hash">SHA-256 of its bytes, 64 lower-case hexadecimal digits: its address.</param>
/// <param name="Length">Its length in bytes.</param>
public readonly record struct Blob(string Hash, long Length);

/// <summary>Files addressed by their content, in a folder.</summary>
/// <remarks>
/// A blob appears whole or not at all, and is on the disk when <see cref="PutAsync"/> returns. Equal content is kept once: whoever deletes a blob
/// must know that nobody else refers to it. All members may be called from any thread.
/// </remarks>
public sealed class BlobFolder
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

    /// <summary>Stores what a stream holds.</summary>
    /// <param name="content">Read to its end, never held in memory as a whole.</param>
    /// <param name="maxBytes">The most that it may hold.</param>
    /// <param name="cancellationToken">Leaves nothing behind.</param>
    /// <exception cref="StorageException">It holds more, or the disk is full: nothing was stored.</exception>
    public async Task<Blob> PutAsync(Stream content, long maxBytes, CancellationToken cancellationToken)
    {
        string temporary = Path.Combine(_incoming, Guid.NewGuid().ToString("N"));
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            long length = 0;
            await using (var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0, FileOptions.Asynchronous))
            {
                int read;
                while ((read = await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
                {
                    if ((length += read) > maxBytes)
                    {
                        throw new StorageException(StorageFailure.TooLarge, $"There are more than {maxBytes} bytes.");
                    }

                    hash.AppendData(buffer.AsSpan(0, read));
                    await file.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
                }

                await Task.Run(() => RandomAccess.FlushToDisk(file.SafeFileHandle), cancellationToken).ConfigureAwait(false);
            }

            var blob = new Blob(Convert.ToHexStringLower(hash.GetHashAndReset()), length);
            string path = PathOf(blob.Hash);
            string parent = Path.GetDirectoryName(path)!;
            if (!Directory.Exists(parent))
            {
                Directory.CreateDirectory(parent);
                DurableFolder.Flush(_folder);
            }

            File.Move(temporary, path, overwrite: true);
            DurableFolder.Flush(parent);
            return blob;
        }
        catch (IOException exception) when (exception is not StorageException && DurableFolder.IsFull(exception))
        {
            throw new StorageException(StorageFailure.Full, $"The disk of {_folder} is full. Nothing was stored.", exception);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            File.Delete(temporary);
        }
    }

    /// <summary>Opens a blob for reading at any place; several may read it at once, and one that is deleted meanwhile can still be read.</summary>
    /// <exception cref="FileNotFoundException">It is not there.</exception>
    public FileStream Open(string hash)
    {
        string path = PathOf(hash);
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, BufferBytes, FileOptions.Asynchronous);
        }
        catch (DirectoryNotFoundException)
        {
            throw new FileNotFoundException($"There is no blob {hash}.", path);
        }
    }

    /// <summary>Whether the blob is there.</summary>
    public bool Contains(string hash) => File.Exists(PathOf(hash));

    /// <summary>Removes a blob; one that is not there is no error.</summary>
    public void Delete(string hash)
    {
        if (Contains(hash))
        {
            File.Delete(PathOf(hash));
        }
    }

    private string PathOf(string hash) => hash.Length == 64 && hash.All(char.IsAsciiHexDigitLower)
        ? Path.Combine(_folder, hash[..2], hash[2..])
        : throw new ArgumentException($"\"{hash}\" is no SHA-256 in lower-case hexadecimal digits.", nameof(hash));
}
