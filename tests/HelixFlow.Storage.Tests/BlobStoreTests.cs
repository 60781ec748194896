using System.Security.Cryptography;
using HelixFlow.TestServers;

namespace HelixFlow.Storage.Tests;

/// <summary>What every store of blobs promises; the classes that derive from it say which one.</summary>
public abstract class BlobStoreTests : IAsyncLifetime
{
    private const int MiB = 1 << 20;

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    protected string Folder { get; } = Directory.CreateTempSubdirectory("helixflow-blobs-").FullName;

    protected IBlobStore Store { get; private set; } = null!;

    /// <summary>Files that are not in the store: drafts.</summary>
    protected abstract string DraftFolder { get; }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(131_072)]
    [InlineData(1_000_003)]
    [InlineData((5 * MiB) + 1)]
    [InlineData(13 * MiB)]
    public async Task A_blob_is_read_as_it_was_kept_whole_and_in_parts(int length)
    {
        byte[] content = Content(length);
        BlobKey key = await KeepAsync(content, "l1");

        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(content)), key.Hash);
        Assert.Equal(content, await ReadAsync(key, 0, length));
        foreach ((int offset, int count) in ((int, int)[])[(0, length / 2), (length / 2, length - (length / 2)), (length, 0), (Math.Max(0, length - 1), Math.Min(1, length))])
        {
            Assert.Equal(content[offset..(offset + count)], await ReadAsync(key, offset, count));
        }

        Assert.Empty(Directory.GetFiles(DraftFolder));
    }

    [Fact]
    public async Task What_is_kept_twice_at_the_same_time_is_there_once_and_whole()
    {
        byte[] content = Content(300_000);
        BlobKey[] keys = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => KeepAsync(content, "l1")));

        Assert.Single(keys.Distinct());
        Assert.Equal(content, await ReadAsync(keys[0], 0, content.Length));
    }

    [Fact]
    public async Task A_deletion_hits_its_own_life_only()
    {
        byte[] content = Content(5_000);
        BlobKey old = await KeepAsync(content, "l1"), current = await KeepAsync(content, "l2");
        await Store.DeleteAsync(old, Token);
        await Store.DeleteAsync(old, Token);

        await Assert.ThrowsAsync<FileNotFoundException>(() => ReadAsync(old, 0, 10));
        await Assert.ThrowsAsync<FileNotFoundException>(() => ReadAsync(old, 0, 0));
        Assert.Equal(content, await ReadAsync(current, 0, content.Length));
        await KeepAsync(content, "l1");
        Assert.Equal(content, await ReadAsync(old, 0, content.Length));
    }

    [Fact]
    public async Task A_draft_that_is_too_large_or_dropped_leaves_nothing()
    {
        StorageException refusal = await Assert.ThrowsAsync<StorageException>(() => Store.DraftAsync(new MemoryStream(new byte[101]), 100, Token));
        using (BlobDraft draft = await Store.DraftAsync(new MemoryStream(new byte[100]), 100, Token))
        {
            Assert.Equal(100, draft.Blob.Length);
        }

        Assert.Equal(StorageFailure.TooLarge, refusal.Failure);
        Assert.Empty(Directory.GetFiles(DraftFolder));
    }

    [Fact]
    public async Task More_bytes_than_there_are_are_an_error()
    {
        BlobKey key = await KeepAsync(Content(100), "");

        StorageException damage = await Assert.ThrowsAsync<StorageException>(() => ReadAsync(key, 50, 51));
        Assert.Equal(StorageFailure.Damaged, damage.Failure);
        damage = await Assert.ThrowsAsync<StorageException>(() => ReadAsync(key, 200, 1));
        Assert.Equal(StorageFailure.Damaged, damage.Failure);
    }

    [Theory]
    [InlineData("../../etc/passwd", "")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", "../up")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", "Upper")]
    public async Task A_name_that_is_none_is_refused(string hash, string life) =>
        await Assert.ThrowsAsync<ArgumentException>(() => Store.DeleteAsync(new BlobKey(hash, life), Token));

    public virtual async ValueTask InitializeAsync() => Store = await OpenAsync();

    public virtual ValueTask DisposeAsync()
    {
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    protected abstract Task<IBlobStore> OpenAsync();

    protected static byte[] Content(int length)
    {
        byte[] content = new byte[length];
        new Random(length).NextBytes(content);
        return content;
    }

    protected async Task<BlobKey> KeepAsync(byte[] content, string life)
    {
        using BlobDraft draft = await Store.DraftAsync(new MemoryStream(content), long.MaxValue, Token);
        await Store.KeepAsync(draft, life, Token);
        return new BlobKey(draft.Blob.Hash, life);
    }

    protected async Task<byte[]> ReadAsync(BlobKey key, long offset, long length)
    {
        using var read = new MemoryStream();
        await Store.CopyAsync(key, offset, length, read, Token);
        return read.ToArray();
    }
}

public sealed class BlobFolderStoreTests : BlobStoreTests
{
    protected override string DraftFolder => Path.Combine(Folder, "incoming");

    protected override Task<IBlobStore> OpenAsync() => Task.FromResult<IBlobStore>(new BlobFolder(Folder));
}

/// <summary>Against a double of an S3 server; see there what it is worth.</summary>
public sealed class BlobBucketTests : BlobStoreTests
{
    private const string Bucket = "helixflow-test";

    private S3ApiDouble _server = null!;

    static BlobBucketTests()
    {
        // The SDK's usual chain looks here first.
        Environment.SetEnvironmentVariable("AWS_ACCESS_KEY_ID", "test-key");
        Environment.SetEnvironmentVariable("AWS_SECRET_ACCESS_KEY", "test-secret");
        Environment.SetEnvironmentVariable("AWS_EC2_METADATA_DISABLED", "true");
    }

    protected override string DraftFolder => Path.Combine(Folder, "spool");

    public override async ValueTask DisposeAsync()
    {
        ((BlobBucket)Store).Dispose();
        await _server.DisposeAsync();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task Nothing_is_written_over_what_is_there_and_large_content_goes_in_parts()
    {
        await KeepAsync(Content(1_000), "l1");
        await KeepAsync(Content(11 << 20), "l1");

        Assert.Equal(["PUT", "POST", "PUT", "PUT", "PUT", "POST"], _server.Requests.Select(static request => request.Split(' ')[0]));
        Assert.Equal(2, _server.Requests.Count(static request => request.EndsWith(" if-none-match *", StringComparison.Ordinal)));
        Assert.All(_server.Names, static name => Assert.StartsWith("some/prefix/", name, StringComparison.Ordinal));
        Assert.Equal(0, _server.OpenUploads);
    }

    [Fact]
    public async Task A_server_that_knows_no_conditions_gets_none()
    {
        _server.RefusesConditions = true;
        BlobKey key = await KeepAsync(Content(1_000), "l1"), large = await KeepAsync(Content(11 << 20), "l1");

        Assert.Equal(Content(1_000), await ReadAsync(key, 0, 1_000));
        Assert.Equal(Content(11 << 20), await ReadAsync(large, 0, 11 << 20));
        Assert.Single(_server.Requests, static request => request.Contains("if-none-match", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Passing_failures_are_tried_again_and_lasting_ones_are_told()
    {
        _server.FailNext("503 SlowDown", "500 InternalError");
        BlobKey key = await KeepAsync(Content(1_000), "l1");
        _server.FailNext("503 SlowDown");
        Assert.Equal(Content(1_000), await ReadAsync(key, 0, 1_000));

        _server.FailNext(Enumerable.Repeat("503 SlowDown", 4));
        Assert.Equal(StorageFailure.Unavailable, (await Assert.ThrowsAsync<StorageException>(() => KeepAsync(Content(2_000), "l1"))).Failure);
        _server.FailNext("403 AccessDenied");
        StorageException refused = await Assert.ThrowsAsync<StorageException>(() => ReadAsync(key, 0, 10));
        Assert.Equal(StorageFailure.Incompatible, refused.Failure);
        Assert.Contains("AccessDenied", refused.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(DraftFolder));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task An_upload_in_parts_that_fails_is_taken_back(int request)
    {
        // One request begins it, three bring parts, the fifth completes it.
        _server.FailNext([.. Enumerable.Repeat("", request - 1), "400 InvalidRequest"]);

        await Assert.ThrowsAsync<StorageException>(() => KeepAsync(Content(11 << 20), "l1"));

        Assert.Equal(0, _server.OpenUploads);
        Assert.Empty(_server.Names);
        Assert.Empty(Directory.GetFiles(DraftFolder));
    }

    [Fact]
    public async Task An_answer_that_breaks_off_is_an_error_not_a_shorter_blob()
    {
        BlobKey key = await KeepAsync(Content(900_000), "l1");
        _server.FailNext(Enumerable.Repeat("break", 100)); // clients try again when the connection is reset before the answer came

        StorageException failure = await Assert.ThrowsAsync<StorageException>(() => ReadAsync(key, 0, 900_000));
        Assert.True(failure.Failure is StorageFailure.Unavailable or StorageFailure.Damaged, failure.ToString());
    }

    protected override async Task<IBlobStore> OpenAsync()
    {
        _server = await S3ApiDouble.StartAsync(Bucket);
        return new BlobBucket(new BlobBucketOptions
        {
            Bucket = Bucket, Prefix = "some/prefix/", Endpoint = _server.Endpoint, SpoolFolder = DraftFolder, PartBytes = 5 << 20, Retries = 3,
        });
    }
}
