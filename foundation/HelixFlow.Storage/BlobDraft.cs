using System.Buffers;
using System.Security.Cryptography;

namespace HelixFlow.Storage;

/// <summary>Content that was read into a file of its own, with its address; the file is gone when the draft was kept or disposed.</summary>
/// <remarks>Used by one caller at a time.</remarks>
public sealed class BlobDraft : IDisposable
{
    private const int BufferBytes = 128 * 1024;

    private BlobDraft(string path, Blob blob)
    {
        Path = path;
        Blob = blob;
    }

    /// <summary>The address and the length.</summary>
    public Blob Blob { get; }

    /// <summary>The file, synchronised with the disk.</summary>
    internal string Path { get; }

    /// <summary>Reads the content once more.</summary>
    public Stream Open() => File.OpenRead(Path);

    /// <inheritdoc />
    public void Dispose() => File.Delete(Path);

    /// <summary>Reads a stream into a new file in a folder.</summary>
    internal static async Task<BlobDraft> ReadAsync(string folder, Stream content, long maxBytes, CancellationToken cancellationToken)
    {
        string path = System.IO.Path.Combine(folder, Guid.NewGuid().ToString("N"));
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        bool isWhole = false;
        try
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            long length = 0;
            await using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0, FileOptions.Asynchronous))
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

            isWhole = true;
            return new BlobDraft(path, new Blob(Convert.ToHexStringLower(hash.GetHashAndReset()), length));
        }
        catch (IOException exception) when (exception is not StorageException && DurableFolder.IsFull(exception))
        {
            throw new StorageException(StorageFailure.Full, $"The disk of {folder} is full. Nothing was stored.", exception);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            if (!isWhole)
            {
                File.Delete(path);
            }
        }
    }
}
