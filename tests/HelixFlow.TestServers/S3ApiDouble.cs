using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace HelixFlow.TestServers;

/// <summary>
/// No S3 server but a double of one, made from the published API (Amazon S3 API Reference, 2006-03-01) as far as blobs need it: objects of one bucket in
/// memory, conditions, checksums, ranges, parts; and failures that a test asks for. It checks that requests carry a signature, not that it is right.
/// </summary>
public sealed partial class S3ApiDouble : IAsyncDisposable
{
    private static readonly XNamespace Xmlns = "http://s3.amazonaws.com/doc/2006-03-01/";

    private readonly WebApplication _app;
    private readonly string _bucket;
    private readonly ConcurrentDictionary<string, (byte[] Content, string ETag)> _objects = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, SortedDictionary<int, byte[]>> _uploads = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _failures = new();
    private int _lastUpload;

    private S3ApiDouble(WebApplication app, string bucket)
    {
        _app = app;
        _bucket = bucket;
    }

    /// <summary>Where it listens.</summary>
    public Uri Endpoint => new(_app.Urls.First());

    /// <summary>The objects' names.</summary>
    public IReadOnlyCollection<string> Names => [.. _objects.Keys];

    /// <summary>Uploads in parts that were neither completed nor aborted.</summary>
    public int OpenUploads => _uploads.Count;

    /// <summary>What was asked for: method, path with query, and the condition if there was one.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    /// <summary>Whether it is one of the servers that know no conditional writes.</summary>
    public bool RefusesConditions { get; set; }

    /// <summary>Starts one with an empty bucket.</summary>
    public static async Task<S3ApiDouble> StartAsync(string bucket)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.Configure<KestrelServerOptions>(static options => options.Limits.MaxRequestBodySize = null);
        WebApplication app = builder.Build();
        var server = new S3ApiDouble(app, bucket);
        app.Run(server.HandleAsync);
        await app.StartAsync();
        return server;
    }

    /// <summary>Fails the next requests: a status and a code as <c>503 SlowDown</c>, <c>break</c> for a connection that breaks amid the answer, nothing for none.</summary>
    public void FailNext(params IEnumerable<string> failures)
    {
        foreach (string failure in failures)
        {
            _failures.Enqueue(failure);
        }
    }

    /// <summary>Changes an object, as a failing disk does.</summary>
    public void Damage(string name) => _objects[name] = ([.. _objects[name].Content.Select(static value => (byte)~value)], _objects[name].ETag);

    /// <inheritdoc />
    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private async Task HandleAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        string condition = request.Headers.IfNoneMatch.ToString();
        Requests.Enqueue($"{request.Method} {request.Path}{request.QueryString}{(condition.Length > 0 ? " if-none-match " + condition : "")}");
        using var buffer = new MemoryStream();
        await request.Body.CopyToAsync(buffer, context.RequestAborted);
        byte[] body = buffer.ToArray();
        if (_failures.TryDequeue(out string? failure) && failure.Length > 0)
        {
            await FailAsync(context, failure);
            return;
        }

        if (Refusal(request, body) is { } refusal)
        {
            await FailAsync(context, refusal);
            return;
        }

        string name = request.Path.Value![(_bucket.Length + 2)..];
        Task answer = (request.Method, request.Query.ContainsKey("uploads"), request.Query["uploadId"].ToString()) switch
        {
            ("PUT", _, "") => PutAsync(context, name, body),
            ("GET" or "HEAD", _, "") => GetAsync(context, name),
            ("DELETE", _, "") => DeleteAsync(context, name),
            ("POST", true, _) => BeginAsync(context, name),
            ("PUT", _, var upload) => PutPartAsync(context, upload, body),
            ("POST", _, var upload) => CompleteAsync(context, name, upload, body),
            ("DELETE", _, var upload) => AbortAsync(context, upload),
            _ => FailAsync(context, "405 MethodNotAllowed"),
        };
        await answer;
    }

    private string? Refusal(HttpRequest request, byte[] body)
    {
        if (!Signature().IsMatch(request.Headers.Authorization.ToString()) || request.Headers["x-amz-date"].Count == 0)
        {
            return "403 AccessDenied";
        }

        string hash = Convert.ToHexStringLower(SHA256.HashData(body));
        if (request.Headers["x-amz-content-sha256"] is [{ Length: 64 } signed] && signed != hash)
        {
            return "400 XAmzContentSHA256Mismatch";
        }

        if (request.Headers["x-amz-checksum-sha256"] is [{ } sum] && sum != Convert.ToBase64String(Convert.FromHexString(hash)))
        {
            return "400 BadDigest";
        }

        return request.Headers.IfNoneMatch.Count > 0 && RefusesConditions ? "501 NotImplemented"
            : request.Path.Value!.StartsWith($"/{_bucket}/", StringComparison.Ordinal) ? null : "404 NoSuchBucket";
    }

    private async Task PutAsync(HttpContext context, string name, byte[] body)
    {
        (byte[], string) made = (body, $"\"{Md5(body)}\"");
        if (context.Request.Headers.IfNoneMatch.ToString() == "*" ? !_objects.TryAdd(name, made) : !Replace(name, made))
        {
            await FailAsync(context, "412 PreconditionFailed");
            return;
        }

        context.Response.Headers.ETag = made.Item2;
    }

    private async Task GetAsync(HttpContext context, string name)
    {
        if (!_objects.TryGetValue(name, out (byte[] Content, string ETag) found))
        {
            await FailAsync(context, "404 NoSuchKey");
            return;
        }

        (int from, int to) = (0, found.Content.Length - 1);
        if (RangeHeader().Match(context.Request.Headers.Range.ToString()) is { Success: true } range)
        {
            from = int.Parse(range.Groups[1].Value, CultureInfo.InvariantCulture);
            to = Math.Min(to, int.Parse(range.Groups[2].Value, CultureInfo.InvariantCulture));
            if (from > to)
            {
                await FailAsync(context, "416 InvalidRange");
                return;
            }

            context.Response.StatusCode = StatusCodes.Status206PartialContent;
            context.Response.Headers.ContentRange = $"bytes {from}-{to}/{found.Content.Length}";
        }

        context.Response.Headers.ETag = found.ETag;
        context.Response.Headers.AcceptRanges = "bytes";
        context.Response.ContentLength = to - from + 1;
        if (context.Request.Method == "GET")
        {
            await context.Response.Body.WriteAsync(found.Content.AsMemory(from, to - from + 1), context.RequestAborted);
        }
    }

    private Task DeleteAsync(HttpContext context, string name)
    {
        _objects.TryRemove(name, out _);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    private Task BeginAsync(HttpContext context, string name)
    {
        string upload = $"upload-{Interlocked.Increment(ref _lastUpload)}";
        _uploads[upload] = [];
        return WriteAsync(context, new XElement(
            Xmlns + "InitiateMultipartUploadResult", new XElement(Xmlns + "Bucket", _bucket), new XElement(Xmlns + "Key", name), new XElement(Xmlns + "UploadId", upload)));
    }

    private async Task PutPartAsync(HttpContext context, string upload, byte[] body)
    {
        if (!_uploads.TryGetValue(upload, out SortedDictionary<int, byte[]>? parts))
        {
            await FailAsync(context, "404 NoSuchUpload");
            return;
        }

        parts[int.Parse(context.Request.Query["partNumber"].ToString(), CultureInfo.InvariantCulture)] = body;
        context.Response.Headers.ETag = $"\"{Md5(body)}\"";
        context.Response.Headers["x-amz-checksum-sha256"] = Convert.ToBase64String(SHA256.HashData(body));
    }

    private async Task CompleteAsync(HttpContext context, string name, string upload, byte[] body)
    {
        if (!_uploads.TryGetValue(upload, out SortedDictionary<int, byte[]>? parts))
        {
            await FailAsync(context, "404 NoSuchUpload");
            return;
        }

        var named = XDocument.Parse(Encoding.UTF8.GetString(body)).Descendants().Where(static part => part.Name.LocalName == "Part")
            .Select(static part => (
                Number: (int)part.Elements().First(static field => field.Name.LocalName == "PartNumber"),
                ETag: part.Elements().First(static field => field.Name.LocalName == "ETag").Value.Trim('"'))).ToList();
        if (!named.SequenceEqual(parts.Select(static part => (part.Key, Md5(part.Value)))) || parts.Values.SkipLast(1).Any(static part => part.Length < 5 << 20))
        {
            await FailAsync(context, "400 InvalidPart");
            return;
        }

        byte[] content = [.. parts.Values.SelectMany(static part => part)];
        (byte[], string) made = (content, $"\"{Md5(Encoding.ASCII.GetBytes(string.Concat(parts.Values.Select(Md5))))}-{parts.Count}\"");
        if (context.Request.Headers.IfNoneMatch.ToString() == "*" ? !_objects.TryAdd(name, made) : !Replace(name, made))
        {
            await FailAsync(context, "412 PreconditionFailed");
            return;
        }

        _uploads.TryRemove(upload, out _);
        await WriteAsync(context, new XElement(
            Xmlns + "CompleteMultipartUploadResult", new XElement(Xmlns + "Bucket", _bucket), new XElement(Xmlns + "Key", name), new XElement(Xmlns + "ETag", made.Item2)));
    }

    private Task AbortAsync(HttpContext context, string upload)
    {
        _uploads.TryRemove(upload, out _);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    private bool Replace(string name, (byte[], string) made)
    {
        _objects[name] = made;
        return true;
    }

    private static async Task FailAsync(HttpContext context, string failure)
    {
        if (failure == "break")
        {
            context.Response.ContentLength = 1_000_000;
            await context.Response.Body.WriteAsync(new byte[1000]);
            await context.Response.Body.FlushAsync();
            context.Abort();
            return;
        }

        string[] parts = failure.Split(' ', 2);
        context.Response.StatusCode = int.Parse(parts[0], CultureInfo.InvariantCulture);
        if (context.Request.Method != "HEAD")
        {
            await WriteAsync(context, new XElement("Error", new XElement("Code", parts[1]), new XElement("Message", $"The test wants {failure}."), new XElement("RequestId", "1")));
        }
    }

    private static async Task WriteAsync(HttpContext context, XElement answer)
    {
        context.Response.ContentType = "application/xml";
        await context.Response.WriteAsync(new XDocument(answer).ToString(SaveOptions.DisableFormatting), context.RequestAborted);
    }

    [SuppressMessage("Security", "CA5351", Justification = "ETags are MD5 by the API's definition.")]
    private static string Md5(byte[] content) => Convert.ToHexStringLower(MD5.HashData(content));

    [GeneratedRegex("^AWS4-HMAC-SHA256 Credential=[^/]+/[0-9]{8}/[^/]+/s3/aws4_request, ?SignedHeaders=[^,]*host[^,]*, ?Signature=[0-9a-f]{64}$")]
    private static partial Regex Signature();

    [GeneratedRegex("^bytes=([0-9]+)-([0-9]+)$")]
    private static partial Regex RangeHeader();
}
