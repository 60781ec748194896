using System.Net;
using Microsoft.Win32.SafeHandles;

namespace HelixFlow.Cli.Pull;

/// <summary>How a file is fetched.</summary>
internal sealed record DownloadOptions
{
    /// <summary>Requests at a time for one file.</summary>
    public int Connections { get; init; } = 4;

    /// <summary>Bytes of one request. 32 MiB: long enough that the request's latency does not count.</summary>
    public long PieceBytes { get; init; } = 32 << 20;

    /// <summary>At most this much is fetched again after the process was killed.</summary>
    public long SaveEveryBytes { get; init; } = 16 << 20;

    /// <summary>How often a file that changes on the server is begun anew.</summary>
    public int MaxRestarts { get; init; } = 3;
}

/// <summary>Downloads one file: resumable, in parallel ranges where the server has them, verified before it gets its name.</summary>
/// <remarks>
/// The bytes go to TARGET.part with a journal in TARGET.part.json. Both stay when the download stops for any reason but a wrong hash.
/// The first request asks for a range, so its answer tells whether the server has ranges and how long the file is.
/// </remarks>
internal sealed class FileDownload(PullHttp http, RetryPolicy retry, DownloadOptions options, DiskSpace space, DownloadMeter meter)
{
    private const int BufferBytes = 128 << 10;

    /// <exception cref="PullException">The file cannot be had.</exception>
    public async Task RunAsync(RemoteFile file, string target, CancellationToken stopping)
    {
        if (File.Exists(target))
        {
            meter.Found(new FileInfo(target).Length); // it got its name after it was verified
            return;
        }

        string partial = target + ".part";
        string journalPath = partial + ".json";
        for (int restarts = 0; ; restarts++)
        {
            try
            {
                await TransferAsync(file, partial, journalPath, stopping);
                break;
            }
            catch (RemoteChangedException e)
            {
                Discard(partial, journalPath);
                if (restarts == options.MaxRestarts)
                {
                    throw new PullException($"{file.Name} keeps changing on the server: {e.Message}", e);
                }
            }
        }

        if (file.Hash is { } expected)
        {
            meter.Phase = $"verifying {file.Name}";
            string found = await expected.OfFileAsync(partial, stopping);
            if (!string.Equals(found, expected.Hex, StringComparison.OrdinalIgnoreCase))
            {
                Discard(partial, journalPath);
                throw new PullException(
                    $"{file.Name} has the {(expected.Kind == HashKind.Sha256 ? "sha256" : "git object id")} {found}, "
                    + $"expected {expected.Hex}; "
                    + "the download was deleted. The file was damaged on its way or is not the one that was announced");
            }
        }

        File.Move(partial, target);
        File.Delete(journalPath);
    }

    private async Task TransferAsync(RemoteFile file, string partial, string journalPath, CancellationToken stopping)
    {
        var journal = DownloadJournal.Load(journalPath, partial, file.SizeBytes);
        using SafeFileHandle handle = OpenPartial(partial);
        meter.Phase = file.Name;
        if (file.SizeBytes == 0)
        {
            return;
        }

        if (journal is null)
        {
            File.Delete(journalPath);
        }

        Count(file, journal, sign: 1);
        if (journal is not null && journal.DoneBytes == journal.SizeBytes)
        {
            return;
        }

        try
        {
            // 1. Ask for the first missing range.
            var source = new RangeSource(http, file);
            int piece = 0;
            bool resumes = journal is not null && journal.TryClaim(out piece);
            ByteRange wanted = resumes
                ? journal!.Missing(piece)
                : new ByteRange(0, Math.Min(options.PieceBytes, file.SizeBytes ?? long.MaxValue));
            using HttpResponseMessage first = await retry.RunAsync(
                () => source.OpenAsync(wanted, journal?.EntityTag, stopping), static () => false, stopping);

            // 2. A server without ranges sends the whole file.
            if (first.StatusCode != HttpStatusCode.PartialContent)
            {
                if (resumes)
                {
                    throw new RemoteChangedException("the server no longer has the part that was left to download");
                }

                await TransferWholeAsync(file, first, handle, stopping);
                return;
            }

            // 3. The answer tells size and version: begin a journal if there is none.
            long total = CheckSize(file, first, wanted, journal);
            if (journal is null)
            {
                journal = DownloadJournal.Create(journalPath, total, RangeSource.VersionOf(first), options.PieceBytes);
                Count(file, journal, sign: 1);
                space.Require(file.Name, journal.SizeBytes);
                RandomAccess.SetLength(handle, journal.SizeBytes);
                journal.Save(handle);
                journal.TryClaim(out piece);
            }

            // 4. Fill the pieces. Each answer, the first too, must be of the journal's version.
            await new RangedTransfer(source, retry, options, meter, journal, handle).RunAsync(piece, first, stopping);
        }
        catch (RemoteChangedException)
        {
            Count(file, journal, sign: -1);
            throw;
        }
    }

    /// <summary>Tells the meter of an earlier run's bytes and of a size that no listing announced, or takes both back.</summary>
    private void Count(RemoteFile file, DownloadJournal? journal, int sign)
    {
        if (journal is not null)
        {
            meter.Found(sign * journal.DoneBytes);
            meter.Expect(file.SizeBytes is null ? sign * journal.SizeBytes : 0);
        }
    }

    private static long CheckSize(RemoteFile file, HttpResponseMessage response, ByteRange wanted, DownloadJournal? journal)
    {
        long total = RangeSource.CheckRange(response, wanted, journal?.SizeBytes);
        if (file.SizeBytes is { } announced && announced != total)
        {
            throw new PullException($"{file.Name} has {total} bytes on the server, but the repository lists {announced}");
        }

        return total;
    }

    /// <summary>A server without ranges: one stream, from the start again when it breaks.</summary>
    private async Task TransferWholeAsync(RemoteFile file, HttpResponseMessage first, SafeFileHandle handle, CancellationToken stopping)
    {
        meter.Expect(file.SizeBytes is null ? first.Content.Headers.ContentLength ?? 0 : 0);
        HttpResponseMessage? response = first;
        await retry.RunAsync(
            async () =>
            {
                response ??= await http.GetAsync(file.Url, range: null, validator: null, stopping);
                using HttpResponseMessage current = response;
                response = null;
                if (current.StatusCode != HttpStatusCode.OK)
                {
                    throw new PullException($"{PullHttp.Shown(file.Url)} answered {(int)current.StatusCode} to a plain request");
                }

                await CopyWholeAsync(file, current, handle, stopping);
                return true;
            },
            static () => false,
            stopping);
    }

    private async Task CopyWholeAsync(RemoteFile file, HttpResponseMessage response, SafeFileHandle handle, CancellationToken stopping)
    {
        long? length = response.Content.Headers.ContentLength;
        long? size = file.SizeBytes ?? length;
        if (length is not null && length != size)
        {
            throw new PullException($"{file.Name} has {length} bytes on the server, but the repository lists {size}");
        }

        space.Require(file.Name, size ?? 0);
        RandomAccess.SetLength(handle, 0);
        long position = 0;
        try
        {
            await foreach (ReadOnlyMemory<byte> chunk in RangeSource.ReadAsync(response, retry.StallTimeout, BufferBytes, stopping))
            {
                if (position + chunk.Length > size)
                {
                    throw new PullException($"{file.Name} is longer on the server than the {size} bytes that were announced");
                }

                await RandomAccess.WriteAsync(handle, chunk, position, stopping);
                position += chunk.Length;
                meter.Received(chunk.Length);
            }

            if (size is not null && position != size)
            {
                throw new TransientException($"{file.Name} ended after {position} of {size} bytes");
            }
        }
        catch (TransientException)
        {
            meter.Found(-position);
            throw;
        }

        RandomAccess.FlushToDisk(handle);
    }

    private static SafeFileHandle OpenPartial(string partial)
    {
        try
        {
            return File.OpenHandle(partial, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, FileOptions.Asynchronous);
        }
        catch (IOException e) when (File.Exists(partial))
        {
            throw new PullException($"{partial} is in use: is another pull of this model running?", e);
        }
    }

    private static void Discard(string partial, string journalPath)
    {
        File.Delete(partial);
        File.Delete(journalPath);
    }
}
