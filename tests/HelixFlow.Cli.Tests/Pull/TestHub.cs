using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Cli.Tests.Pull;

/// <summary>A Hugging Face hub with one repository, me/model: the listing, and files behind redirects to a second server.</summary>
internal sealed class TestHub : IAsyncDisposable
{
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private readonly Dictionary<string, ServedFile> _files;

    private TestHub(Dictionary<string, ServedFile> files) => _files = files;

    public TestServer Hub { get; private set; } = null!;

    /// <summary>The content network: it knows nobody's token.</summary>
    public TestServer Network { get; private set; } = null!;

    /// <summary>What the listing gives instead of a file's real digest.</summary>
    public Dictionary<string, string> FalseDigests { get; } = [];

    /// <summary>After so many requests a signed address is refused; the next redirect gives a new one.</summary>
    public int SignatureLasts { get; init; } = int.MaxValue;

    public bool IsGated { get; init; }

    public static Task<TestHub> StartAsync(Dictionary<string, byte[]> files, int signatureLasts = int.MaxValue, bool isGated = false) =>
        StartAsync(files.ToDictionary(static f => f.Key, static f => new ServedFile(f.Value)), signatureLasts, isGated);

    public static async Task<TestHub> StartAsync(Dictionary<string, ServedFile> files, int signatureLasts = int.MaxValue, bool isGated = false)
    {
        var hub = new TestHub(files) { SignatureLasts = signatureLasts, IsGated = isGated };
        hub.Network = await TestServer.StartAsync(hub.ServeNetworkAsync);
        hub.Hub = await TestServer.StartAsync(hub.ServeHubAsync);
        return hub;
    }

    public async ValueTask DisposeAsync()
    {
        await Hub.DisposeAsync();
        await Network.DisposeAsync();
    }

    private Task ServeHubAsync(HttpContext context)
    {
        string path = context.Request.Path.Value!;
        if (IsGated && context.Request.Headers.Authorization != "Bearer hf_secret")
        {
            context.Response.StatusCode = 401;
        }
        else if (path == "/api/models/me/model/revision/main")
        {
            return context.Response.WriteAsync(Listing());
        }
        else if (path.StartsWith($"/me/model/resolve/{Commit}/", StringComparison.Ordinal))
        {
            context.Response.Redirect(new Uri(Network.Address, $"{path.Split('/', 6)[5]}?signature={Guid.NewGuid()}").AbsoluteUri);
        }
        else
        {
            context.Response.StatusCode = 404;
        }

        return Task.CompletedTask;
    }

    private Task ServeNetworkAsync(HttpContext context)
    {
        string query = context.Request.QueryString.ToString();
        if (Network.Requests.Count(r => r.Path.EndsWith(query, StringComparison.Ordinal)) > SignatureLasts)
        {
            context.Response.StatusCode = 403;
            return Task.CompletedTask;
        }

        return _files[context.Request.Path.Value![1..]].ServeAsync(context);
    }

    private string Listing() => JsonSerializer.Serialize(new
    {
        sha = Commit,
        siblings = _files.Select(f => f.Value.Content.Length > 1000
            ? (object)new
            {
                rfilename = f.Key,
                size = f.Value.Content.Length,
                lfs = new { sha256 = FalseDigests.GetValueOrDefault(f.Key) ?? Convert.ToHexStringLower(SHA256.HashData(f.Value.Content)) },
            }
            : new { rfilename = f.Key, size = f.Value.Content.Length, blobId = GitBlob(f.Value.Content) }),
    });

    private static string GitBlob(byte[] content)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        hash.AppendData(Encoding.ASCII.GetBytes($"blob {content.Length}\0"));
        hash.AppendData(content);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
