using System.Net;
using Microsoft.Win32.SafeHandles;

namespace HelixFlow.Cli.Pull;

/// <summary>Fills the missing pieces of a partial file over several connections.</summary>
internal sealed class RangedTransfer(
    RangeSource source, RetryPolicy retry, DownloadOptions options, DownloadMeter meter, DownloadJournal journal, SafeFileHandle handle)
{
    private const int BufferBytes = 128 << 10;

    /// <param name="firstPiece">A claimed piece, for which <paramref name="first"/> is the answer.</param>
    /// <param name="first">An open answer; disposed here.</param>
    /// <param name="stopping">Ends the transfer; the journal is saved.</param>
    public async Task RunAsync(int firstPiece, HttpResponseMessage first, CancellationToken stopping)
    {
        using var allEnd = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var connections = new List<Task> { ConnectionAsync(firstPiece, first, allEnd) };
        for (int i = 1; i < options.Connections && journal.TryClaim(out int piece); i++)
        {
            connections.Add(ConnectionAsync(piece, null, allEnd));
        }

        try
        {
            await Task.WhenAll(connections);
        }
        finally
        {
            journal.Save(handle);
        }
    }

    private async Task ConnectionAsync(int piece, HttpResponseMessage? first, CancellationTokenSource allEnd)
    {
        try
        {
            do
            {
                await FillAsync(piece, first, allEnd.Token);
                first = null;
            }
            while (journal.TryClaim(out piece));
        }
        catch
        {
            await allEnd.CancelAsync();
            throw;
        }
    }

    private async Task FillAsync(int piece, HttpResponseMessage? first, CancellationToken stopping)
    {
        long before = 0;
        await retry.RunAsync(
            async () =>
            {
                ByteRange wanted = journal.Missing(piece);
                before = wanted.From;
                using HttpResponseMessage response = first ?? await source.OpenAsync(wanted, journal.EntityTag, stopping);
                first = null;
                Check(response, wanted);
                await CopyAsync(piece, response, wanted.Length, stopping);
                return true;
            },
            () => journal.Missing(piece).From > before,
            stopping);
    }

    private void Check(HttpResponseMessage response, ByteRange wanted)
    {
        if (response.StatusCode == HttpStatusCode.OK)
        {
            throw new RemoteChangedException("the server answered with the whole file, as it does when the file is another one now");
        }

        RangeSource.CheckRange(response, wanted, journal.SizeBytes);
        if (RangeSource.VersionOf(response) != journal.Version)
        {
            throw new RemoteChangedException("its version tag differs between two answers");
        }
    }

    private async Task CopyAsync(int piece, HttpResponseMessage response, long wanted, CancellationToken stopping)
    {
        long left = wanted;
        await foreach (ReadOnlyMemory<byte> chunk in RangeSource.ReadAsync(response, retry.StallTimeout, BufferBytes, stopping))
        {
            if (chunk.Length > left)
            {
                throw new PullException($"the server sent more of {source.Name} than the range it announced");
            }

            await RandomAccess.WriteAsync(handle, chunk, journal.Missing(piece).From, stopping);
            left -= chunk.Length;
            journal.Advance(piece, chunk.Length, handle, options.SaveEveryBytes);
            meter.Received(chunk.Length);
        }

        if (left > 0)
        {
            throw new TransientException($"the server ended a range of {source.Name} {left} bytes early");
        }
    }
}
