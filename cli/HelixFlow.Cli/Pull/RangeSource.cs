using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;

namespace HelixFlow.Cli.Pull;

/// <summary>Byte ranges of one remote file. Thread-safe.</summary>
/// <remarks>
/// A hub answers with a redirect to a signed address of a content network. That address is asked directly for further ranges, until it
/// refuses because the signature is too old; then the hub is asked again.
/// </remarks>
internal sealed class RangeSource(PullHttp http, RemoteFile file)
{
    private volatile Uri? _resolved;

    public string Name => file.Name;

    /// <summary>An answer of status 206, or 200 when the server has no ranges or the file is not the validator's any more.</summary>
    public async Task<HttpResponseMessage> OpenAsync(ByteRange range, EntityTagHeaderValue? validator, CancellationToken stopping)
    {
        HttpResponseMessage response;
        try
        {
            response = await http.GetAsync(_resolved ?? file.Url, range, validator, stopping);
        }
        catch (PullException) when (_resolved is not null)
        {
            _resolved = null;
            response = await http.GetAsync(file.Url, range, validator, stopping);
        }
        catch (TransientException)
        {
            _resolved = null; // the hub may know a host that works
            throw;
        }

        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            response.Dispose();
            throw new RemoteChangedException($"the server has no bytes from {range.From} on");
        }

        _resolved = response.RequestMessage?.RequestUri;
        return response;
    }

    /// <summary>Checks that a partial answer is what was asked for and returns the whole file's size.</summary>
    public static long CheckRange(HttpResponseMessage response, ByteRange wanted, long? expectedSize)
    {
        ContentRangeHeaderValue? range = response.Content.Headers.ContentRange;
        if (range is not { Unit: "bytes", From: { } from, To: { } to, Length: { } total })
        {
            throw new PullException("the server answered a range request without saying which range "
                + $"({range?.ToString() ?? "no Content-Range"})");
        }

        if (expectedSize is not null && total != expectedSize)
        {
            throw new RemoteChangedException($"it has {total} bytes now and had {expectedSize}");
        }

        if (from != wanted.From || to >= wanted.To || to < from || to >= total)
        {
            throw new PullException($"the server answered the range {from}-{to} of {total} when asked for {wanted.From}-{wanted.To - 1}");
        }

        return total;
    }

    public static string? VersionOf(HttpResponseMessage response) =>
        response.Headers.ETag?.ToString() ?? response.Content.Headers.LastModified?.ToString("R");

    /// <summary>The body in chunks, each valid until the next is asked for.</summary>
    /// <exception cref="TransientException">The connection broke or delivered nothing for <paramref name="stall"/>.</exception>
    public static async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync(
        HttpResponseMessage response, TimeSpan stall, int bufferBytes, [EnumeratorCancellation] CancellationToken stopping)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        await using Stream body = await response.Content.ReadAsStreamAsync(stopping);
        byte[] buffer = new byte[bufferBytes];
        while (true)
        {
            int read;
            limit.CancelAfter(stall);
            try
            {
                read = await body.ReadAsync(buffer, limit.Token);
            }
            catch (Exception e) when (e is IOException or HttpRequestException)
            {
                throw new TransientException($"the connection broke: {e.Message}", inner: e);
            }
            catch (OperationCanceledException e) when (!stopping.IsCancellationRequested)
            {
                throw new TransientException($"the server sent nothing for {stall.TotalSeconds:0.#} s", inner: e);
            }

            if (read == 0)
            {
                yield break;
            }

            limit.CancelAfter(Timeout.InfiniteTimeSpan); // the time to write is not the server's
            yield return buffer.AsMemory(0, read);
        }
    }
}
