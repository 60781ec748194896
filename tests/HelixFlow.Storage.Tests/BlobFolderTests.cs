using System.Security.Cryptography;

namespace HelixFlow.Storage.Tests;

public sealed class BlobFolderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-blobs-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(131_072)]
    [InlineData(1_000_003)]
    public async Task A_blob_is_read_as_it_was_stored(int length)
    {
        byte[] content = new byte[length];
        new Random(length).NextBytes(content);
        var blobs = new BlobFolder(_folder);

        Blob blob = await blobs.PutAsync(new MemoryStream(content), length, Token);

        Assert.Equal(new Blob(Convert.ToHexStringLower(SHA256.HashData(content)), length), blob);
        await using FileStream stored = new BlobFolder(_folder).Open(blob.Hash);
        var read = new MemoryStream();
        await stored.CopyToAsync(read, Token);
        Assert.Equal(content, read.ToArray());
    }

    [Fact]
    public async Task Equal_content_is_kept_once()
    {
        var blobs = new BlobFolder(_folder);
        Blob[] stored = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => blobs.PutAsync(new MemoryStream("same"u8.ToArray()), 100, Token)));

        Assert.Single(stored.Distinct());
        Assert.Single(Files());
    }

    [Fact]
    public async Task What_is_too_large_broken_off_or_cancelled_leaves_nothing()
    {
        var blobs = new BlobFolder(_folder);
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        StorageException refusal = await Assert.ThrowsAsync<StorageException>(() => blobs.PutAsync(new MemoryStream(new byte[101]), 100, Token));
        await Assert.ThrowsAsync<IOException>(() => blobs.PutAsync(new BrokenStream(), long.MaxValue, Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => blobs.PutAsync(new MemoryStream(new byte[10]), 100, cancelled.Token));

        Assert.Equal(StorageFailure.TooLarge, refusal.Failure);
        Assert.Empty(Files());
    }

    [Fact]
    public async Task A_deleted_blob_is_gone_but_whoever_reads_it_reads_on()
    {
        var blobs = new BlobFolder(_folder);
        Blob blob = await blobs.PutAsync(new MemoryStream("text"u8.ToArray()), 100, Token);
        await using FileStream open = blobs.Open(blob.Hash);
        blobs.Delete(blob.Hash);
        blobs.Delete(blob.Hash);

        Assert.False(blobs.Contains(blob.Hash));
        Assert.Throws<FileNotFoundException>(() => blobs.Open(blob.Hash));
        Assert.Equal('t', open.ReadByte());
    }

    [Fact]
    public void What_a_crash_left_unfinished_is_removed()
    {
        _ = new BlobFolder(_folder);
        File.WriteAllText(Path.Combine(_folder, "incoming", "left"), "half");

        _ = new BlobFolder(_folder);

        Assert.Empty(Files());
    }

    [Theory]
    [InlineData("")]
    [InlineData("../../etc/passwd")]
    [InlineData("ABCDEF0000000000000000000000000000000000000000000000000000000000")]
    public void An_address_that_is_no_hash_is_refused(string hash) => Assert.Throws<ArgumentException>(() => new BlobFolder(_folder).Open(hash));

    private string[] Files() => Directory.GetFiles(_folder, "*", SearchOption.AllDirectories);

    /// <summary>Gives some bytes, then fails as a lost connection does.</summary>
    private sealed class BrokenStream : MemoryStream
    {
        private bool _hasGiven;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_hasGiven)
            {
                throw new IOException("gone");
            }

            _hasGiven = true;
            return ValueTask.FromResult(Math.Min(100, buffer.Length));
        }
    }
}
