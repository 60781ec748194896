using System.Security.Cryptography;
using HelixFlow.Cli.Pull;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.Cli.Tests.Pull;

public sealed class FileDownloadTests : IDisposable
{
    private const int PieceBytes = 64 << 10;

    private readonly TempFolder _folder = new();
    private readonly List<TimeSpan> _waits = [];
    private readonly DownloadMeter _meter = new();

    private string Target => _folder["model.gguf"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task File_arrives_in_parallel_ranges()
    {
        byte[] content = ServedFile.RandomBytes(1_000_003, seed: 1);
        using var bothAsked = new CountdownEvent(2);
        var served = new ServedFile(content)
        {
            // The first two answers wait for each other, which only parallel requests can satisfy.
            Before = (request, context) => request is 1 or 2 ? Meet(bothAsked, context.RequestAborted) : Task.CompletedTask,
        };
        await using TestServer server = await TestServer.StartAsync(served.ServeAsync);

        await DownloadAsync(server, content);

        Assert.Equal(content, await File.ReadAllBytesAsync(Target));
        Assert.Equal(16, server.Requests.Count);
        Assert.Equal(content.Length, served.SentBytes);
        Assert.Equal(content.Length, _meter.DoneBytes);
        Assert.False(File.Exists(Target + ".part.json"));
        Assert.Empty(_waits);

        static async Task Meet(CountdownEvent everyone, CancellationToken aborted)
        {
            everyone.Signal();
            await Task.Run(() => everyone.Wait(aborted), aborted);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Connections_that_break_at_random_places_lose_nothing(int seed)
    {
        byte[] content = ServedFile.RandomBytes(700_000, seed);
        var random = new Random(seed);
        var served = new ServedFile(content)
        {
            Breaks = (_, length) =>
            {
                lock (random)
                {
                    return random.Next(3) > 0 ? random.NextInt64(length) : null;
                }
            },
        };
        await using TestServer server = await TestServer.StartAsync(served.ServeAsync);

        await DownloadAsync(server, content, maxFailures: 100);

        Assert.Equal(content, await File.ReadAllBytesAsync(Target));
        Assert.NotEmpty(_waits);
    }

    [Fact]
    public async Task Server_without_ranges_is_read_from_the_start_again()
    {
        byte[] content = ServedFile.RandomBytes(300_000, seed: 5);
        var served = new ServedFile(content) { HasRanges = false, Breaks = static (request, length) => request < 3 ? length / 2 : null };
        await using TestServer server = await TestServer.StartAsync(served.ServeAsync);

        await DownloadAsync(server, content);

        Assert.Equal(content, await File.ReadAllBytesAsync(Target));
        Assert.Equal(4, server.Requests.Count);
        Assert.Equal(content.Length, _meter.DoneBytes);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Answers_without_a_length_are_read_to_their_end(bool announce)
    {
        byte[] content = ServedFile.RandomBytes(300_000, seed: 21);
        var served = new ServedFile(content)
        {
            HasRanges = false,
            HasLength = false,
            Breaks = static (request, length) => request < 1 ? length / 2 : null,
        };
        await using TestServer server = await TestServer.StartAsync(served.ServeAsync);

        await DownloadAsync(server, content, announce);

        Assert.Equal(content, await File.ReadAllBytesAsync(Target));
        Assert.Equal(2, server.Requests.Count);
    }

    [Fact]
    public async Task Interrupted_download_fetches_only_what_is_missing()
    {
        byte[] content = ServedFile.RandomBytes(1_000_000, seed: 6);
        using var stop = new CancellationTokenSource();
        var served = new ServedFile(content) { Sent = (sent, _) => sent > 400_000 ? stop.CancelAsync() : Task.CompletedTask };
        await using TestServer server = await TestServer.StartAsync(served.ServeAsync);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => DownloadAsync(server, content, stopping: stop.Token));
        Assert.True(File.Exists(Target + ".part"));
        Assert.False(File.Exists(Target));
        DownloadJournal journal = DownloadJournal.Load(Target + ".part.json", Target + ".part", content.Length)!;
        long kept = journal.DoneBytes;

        var rest = new ServedFile(content);
        await using TestServer again = await TestServer.StartAsync(rest.ServeAsync);
        await DownloadAsync(again, content);

        Assert.Equal(content, await File.ReadAllBytesAsync(Target));
        Assert.True(kept > 0);
        Assert.Equal(content.Length - kept, rest.SentBytes);
        Assert.All(again.Requests, static r => Assert.Equal("\"v1\"", r.IfRange));
    }

    [Theory]
    [InlineData("\"v2\"", true)]
    [InlineData("\"v2\"", false)]
    [InlineData("W/\"weak\"", true)]
    [InlineData("W/\"weak\"", false)]
    [InlineData(null, true)]
    [InlineData(null, false)]
    public async Task File_that_changed_since_the_interruption_is_fetched_anew(string? newTag, bool hasIfRange)
    {
        byte[] old = ServedFile.RandomBytes(500_000, seed: 7);
        using var stop = new CancellationTokenSource();
        var served = new ServedFile(old) { Sent = (sent, _) => sent > 200_000 ? stop.CancelAsync() : Task.CompletedTask };
        await using TestServer server = await TestServer.StartAsync(served.ServeAsync);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => DownloadAsync(server, old, announce: false, stopping: stop.Token));

        byte[] content = ServedFile.RandomBytes(500_000, seed: 8);
        await using TestServer again = await TestServer.StartAsync(new ServedFile(content) { ETag = newTag, HasIfRange = hasIfRange }.ServeAsync);
        await DownloadAsync(again, content);

        Assert.Equal(content, await File.ReadAllBytesAsync(Target));
    }

    [Theory]
    [InlineData(400_000, true)]
    [InlineData(400_000, false)]
    [InlineData(500_000, true)]
    [InlineData(500_000, false)]
    public async Task File_that_changes_during_the_download_is_fetched_anew(int oldLength, bool hasIfRange)
    {
        byte[] content = ServedFile.RandomBytes(500_000, seed: 10);
        ServedFile served = null!;
        served = new ServedFile(ServedFile.RandomBytes(oldLength, seed: 9))
        {
            HasIfRange = hasIfRange,
            Before = (request, _) =>
            {
                if (request == 3)
                {
                    (served.Content, served.ETag) = (content, "\"v2\"");
                }

                return Task.CompletedTask;
            },
        };
        await using TestServer server = await TestServer.StartAsync(served.ServeAsync);

        await DownloadAsync(server, content, announce: false);

        Assert.Equal(content, await File.ReadAllBytesAsync(Target));
        Assert.Equal(content.Length, _meter.DoneBytes);
        Assert.Equal(content.Length, _meter.TotalBytes);
    }

    [Fact]
    public async Task File_that_never_stops_changing_is_given_up()
    {
        var served = new ServedFile(ServedFile.RandomBytes(200_000, seed: 11));
        int version = 0;
        await using TestServer server = await TestServer.StartAsync(context =>
        {
            served.ETag = $"\"v{Interlocked.Increment(ref version)}\"";
            return served.ServeAsync(context);
        });

        PullException error = await Assert.ThrowsAsync<PullException>(() => DownloadAsync(server, served.Content));

        Assert.Contains("keeps changing on the server", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Wrong_digest_deletes_the_download(bool ranges)
    {
        byte[] content = ServedFile.RandomBytes(200_000, seed: 12);
        await using TestServer server = await TestServer.StartAsync(new ServedFile(content) { HasRanges = ranges }.ServeAsync);
        byte[] other = [.. content];
        other[100_000] ^= 1;

        PullException error = await Assert.ThrowsAsync<PullException>(() => DownloadAsync(server, other));

        Assert.Contains(Convert.ToHexStringLower(SHA256.HashData(content)), error.Message, StringComparison.Ordinal);
        Assert.Contains(Convert.ToHexStringLower(SHA256.HashData(other)), error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.FullPath));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Size_other_than_announced_is_refused(bool ranges)
    {
        byte[] content = ServedFile.RandomBytes(100_000, seed: 13);
        await using TestServer server = await TestServer.StartAsync(new ServedFile(content) { HasRanges = ranges }.ServeAsync);

        PullException error = await Assert.ThrowsAsync<PullException>(() => DownloadAsync(server, content, announcedBytes: 99_999));

        Assert.Contains("has 100000 bytes on the server, but the repository lists 99999", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_that_claims_more_than_it_has_is_found_out()
    {
        byte[] content = ServedFile.RandomBytes(100_000, seed: 14);
        await using TestServer server = await TestServer.StartAsync(new ServedFile(content) { ClaimedBytes = 200_000 }.ServeAsync);

        await Assert.ThrowsAsync<PullException>(() => DownloadAsync(server, content, announce: false));

        Assert.False(File.Exists(Target));
    }

    [Fact]
    public async Task Answer_for_another_range_is_refused()
    {
        byte[] content = ServedFile.RandomBytes(100_000, seed: 15);
        await using TestServer server = await TestServer.StartAsync(new ServedFile(content) { RangeShift = 1 }.ServeAsync);

        PullException error = await Assert.ThrowsAsync<PullException>(() => DownloadAsync(server, content));

        Assert.Contains("when asked for 0-65535", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Busy_server_is_left_alone_for_as_long_as_it_asks()
    {
        byte[] content = ServedFile.RandomBytes(50_000, seed: 16);
        var served = new ServedFile(content)
        {
            Before = static (request, context) =>
            {
                if (request < 2)
                {
                    context.Response.StatusCode = request == 0 ? 429 : 503;
                    context.Response.Headers.RetryAfter = "17";
                }

                return Task.CompletedTask;
            },
        };
        await using TestServer server = await TestServer.StartAsync(served.ServeAsync);

        await DownloadAsync(server, content);

        Assert.Equal(content, await File.ReadAllBytesAsync(Target));
        Assert.Equal([TimeSpan.FromSeconds(17), TimeSpan.FromSeconds(17)], _waits);
    }

    [Fact]
    public async Task Dead_server_is_given_up_and_the_partial_file_stays()
    {
        byte[] content = ServedFile.RandomBytes(500_000, seed: 17);
        var served = new ServedFile(content) { Breaks = static (request, length) => request < 2 ? length / 2 : 0 };
        await using TestServer server = await TestServer.StartAsync(served.ServeAsync);

        PullException error = await Assert.ThrowsAsync<PullException>(() => DownloadAsync(server, content, maxFailures: 4));

        Assert.Contains("gave up after 4 failures in a row", error.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(Target + ".part"));
        await using TestServer healthy = await TestServer.StartAsync(new ServedFile(content).ServeAsync);
        await DownloadAsync(healthy, content);
        Assert.Equal(content, await File.ReadAllBytesAsync(Target));
    }

    [Fact]
    public async Task Silent_connection_is_dropped_and_tried_again()
    {
        byte[] content = ServedFile.RandomBytes(100_000, seed: 18);
        int silences = 2;
        var served = new ServedFile(content)
        {
            Sent = (_, aborted) => Interlocked.Decrement(ref silences) >= 0 ? Task.Delay(Timeout.Infinite, aborted) : Task.CompletedTask,
        };
        await using TestServer server = await TestServer.StartAsync(served.ServeAsync);

        await DownloadAsync(server, content, maxFailures: 1000, stall: TimeSpan.FromSeconds(1));

        Assert.Equal(content, await File.ReadAllBytesAsync(Target));
        Assert.NotEmpty(_waits);
    }

    [Fact]
    public async Task Full_disk_is_noticed_before_the_download()
    {
        byte[] content = ServedFile.RandomBytes(500_000, seed: 19);
        var served = new ServedFile(content);
        await using TestServer server = await TestServer.StartAsync(served.ServeAsync);

        PullException error = await Assert.ThrowsAsync<PullException>(() => DownloadAsync(server, content, announce: false, freeBytes: 64 << 20));

        Assert.Contains("needs 500000 bytes on the disk", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Target));
    }

    [Fact]
    public async Task Second_download_of_the_same_file_is_refused_while_the_first_runs()
    {
        byte[] content = ServedFile.RandomBytes(100_000, seed: 20);
        var reached = new TaskCompletionSource();
        var go = new TaskCompletionSource();
        var served = new ServedFile(content)
        {
            Sent = (_, aborted) =>
            {
                reached.TrySetResult();
                return go.Task.WaitAsync(aborted);
            },
        };
        await using TestServer server = await TestServer.StartAsync(served.ServeAsync);
        Task first = DownloadAsync(server, content);
        await reached.Task;

        PullException error = await Assert.ThrowsAsync<PullException>(() => DownloadAsync(server, content));

        Assert.Contains("is in use", error.Message, StringComparison.Ordinal);
        go.SetResult();
        await first;
        Assert.Equal(content, await File.ReadAllBytesAsync(Target));
    }

    private async Task DownloadAsync(
        TestServer server,
        byte[] expected,
        bool announce = true,
        long? announcedBytes = null,
        int maxFailures = 8,
        TimeSpan? stall = null,
        long freeBytes = long.MaxValue,
        CancellationToken stopping = default)
    {
        var retry = new RetryPolicy
        {
            MaxFailures = maxFailures,
            StallTimeout = stall ?? TimeSpan.FromMinutes(5),
            Jitter = static () => 1,
            Wait = (delay, _) =>
            {
                lock (_waits)
                {
                    _waits.Add(delay);
                }

                return Task.CompletedTask;
            },
        };
        using var http = new PullHttp(null, null, retry, TimeProvider.System);
        var download = new FileDownload(
            http,
            retry,
            new DownloadOptions { PieceBytes = PieceBytes, SaveEveryBytes = PieceBytes },
            new DiskSpace(_folder.FullPath, _ => freeBytes),
            _meter);
        var hash = new ContentHash(HashKind.Sha256, Convert.ToHexStringLower(SHA256.HashData(expected)));
        long? size = announcedBytes ?? (announce ? expected.Length : null);
        await download.RunAsync(
            new RemoteFile("model.gguf", new Uri(server.Address, "file"), size, announce ? hash : null), Target, stopping);
    }
}
