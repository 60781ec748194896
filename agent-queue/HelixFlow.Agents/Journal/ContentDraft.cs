using HelixFlow.Agents.Values;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>Content that was read to its end and has its address, in memory when it is small and in a file of the store when it is not.</summary>
public sealed class ContentDraft : IDisposable
{
    private ContentDraft(byte[]? small, BlobDraft? large, string hash, long length)
    {
        Small = small;
        Large = large;
        Hash = hash;
        Length = length;
    }

    /// <summary>SHA-256 of the content.</summary>
    public string Hash { get; }

    /// <summary>Its length in bytes.</summary>
    public long Length { get; }

    internal byte[]? Small { get; }

    internal BlobDraft? Large { get; }

    /// <summary>Reads the content once more.</summary>
    public Stream Open() => Large?.Open() ?? new MemoryStream(Small!, writable: false);

    /// <inheritdoc />
    public void Dispose() => Large?.Dispose();

    /// <summary>Reads a stream.</summary>
    /// <param name="blobs">Where large content goes.</param>
    /// <param name="content">Read to its end.</param>
    /// <param name="mostInMemory">What is larger goes into a file.</param>
    /// <param name="maxBytes">The most that it may hold.</param>
    /// <param name="cancellationToken">Leaves nothing behind.</param>
    /// <exception cref="StorageException">It holds more, or the disk is full.</exception>
    internal static async Task<ContentDraft> ReadAsync(IBlobStore blobs, Stream content, int mostInMemory, long maxBytes, CancellationToken cancellationToken)
    {
        byte[] head = new byte[mostInMemory + 1];
        int length = await content.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        if (length > maxBytes)
        {
            throw new StorageException(StorageFailure.TooLarge, $"There are more than {maxBytes} bytes.");
        }

        if (length <= mostInMemory)
        {
            byte[] small = head[..length];
            return new ContentDraft(small, null, ActionDigest.HashOf(small), length);
        }

        BlobDraft large = await blobs.DraftAsync(new ContinuedStream(head, content), maxBytes, cancellationToken).ConfigureAwait(false);
        return new ContentDraft(null, large, large.Blob.Hash, large.Blob.Length);
    }

    /// <summary>What was read already, then the rest.</summary>
    private sealed class ContinuedStream(byte[] head, Stream rest) : Stream
    {
        private int _position;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_position == head.Length)
            {
                return await rest.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            }

            int count = Math.Min(buffer.Length, head.Length - _position);
            head.AsMemory(_position, count).CopyTo(buffer);
            _position += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }
    }
}
