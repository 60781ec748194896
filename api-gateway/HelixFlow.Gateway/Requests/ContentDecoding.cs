using System.IO.Compression;
using HelixFlow.Gateway.Errors;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace HelixFlow.Gateway.Requests;

/// <summary>Unpacks request bodies that were sent with gzip, deflate or br; others are refused.</summary>
internal sealed class ContentDecoding(RequestDelegate next)
{
    private const string Supported = "gzip, deflate, br";

    public async Task InvokeAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        string coding = request.Headers.ContentEncoding.ToString().Trim();
        if (coding.Length == 0 || coding.Equals("identity", StringComparison.OrdinalIgnoreCase))
        {
            await next(context);
            return;
        }

        Stream packed = request.Body;
        await using Stream unpacked = coding.ToLowerInvariant() switch
        {
            "gzip" or "x-gzip" => new GZipStream(packed, CompressionMode.Decompress, leaveOpen: true),
            "deflate" => new ZLibStream(packed, CompressionMode.Decompress, leaveOpen: true),
            "br" => new BrotliStream(packed, CompressionMode.Decompress, leaveOpen: true),
            _ => throw Refused(context, coding),
        };
        await using var limited = new LimitedStream(unpacked, context.Features.Get<IHttpMaxRequestBodySizeFeature>());
        request.Body = limited;
        request.ContentLength = null;
        request.Headers.ContentEncoding = default;
        try
        {
            await next(context);
        }
        finally
        {
            request.Body = packed;
        }
    }

    private static OpenAiException Refused(HttpContext context, string coding)
    {
        context.Response.Headers.AcceptEncoding = Supported; // RFC 9110, section 12.5.3
        return new OpenAiException(OpenAiError.WrongContentEncoding(coding, Supported));
    }

    /// <summary>Holds an unpacked body to the size that any body may have: a small one can unpack to a thousand times its size.</summary>
    private sealed class LimitedStream(Stream inner, IHttpMaxRequestBodySizeFeature? limit) : Stream
    {
        private long _read;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("bodies are read asynchronously");

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int count;
            try
            {
                count = await inner.ReadAsync(buffer, cancellationToken);
            }
            catch (Exception exception) when (exception is InvalidDataException or InvalidOperationException)
            {
                throw new BadHttpRequestException("it is not what its Content-Encoding says", StatusCodes.Status400BadRequest, exception);
            }

            _read += count;
            return limit?.MaxRequestBodySize is { } most && _read > most
                ? throw new BadHttpRequestException("The unpacked body is too large.", StatusCodes.Status413PayloadTooLarge)
                : count;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
