using System.CommandLine;
using System.Diagnostics;
using System.Security.Cryptography;
using HelixFlow.Cli.Commands;
using HelixFlow.Cli.Pull;
using HelixFlow.Cli.Store;
using HelixFlow.Engine.Formats;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.Cli.Tests.Pull;

public sealed class PullCommandTests : IDisposable
{
    private readonly TempFolder _data = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();
    private readonly Dictionary<string, string?> _environment = [];

    public void Dispose()
    {
        _data.Dispose();
        _output.Dispose();
        _error.Dispose();
    }

    [Fact]
    public async Task Folder_of_a_repository_is_stored_whole()
    {
        Dictionary<string, byte[]> files = Folder();
        await using TestHub hub = await TestHub.StartAsync(files);

        Assert.Equal(0, await PullAsync(hub, "me/model"));

        string folder = _data["models/model"];
        Assert.Equal(
            files.Keys.Where(static f => f != "README.md").Order(StringComparer.Ordinal),
            Directory.GetFiles(folder).Select(Path.GetFileName).Where(static f => f![0] != '.').Order(StringComparer.Ordinal));
        Assert.All(files.Where(static f => f.Key != "README.md"), f => Assert.Equal(f.Value, File.ReadAllBytes(Path.Combine(folder, f.Key))));
        Assert.Contains("llama, 100K parameters, F32", _output.ToString(), StringComparison.Ordinal);
        Assert.Equal("model", new ModelStore(_data.FullPath).List().Single().Name);
        Assert.Empty(Directory.GetDirectories(_data["models"], ".*"));
    }

    [Fact]
    public async Task Gguf_of_a_quantisation_is_stored_as_a_file()
    {
        byte[] gguf = Gguf(50_000);
        await using TestHub hub = await TestHub.StartAsync(
            new Dictionary<string, byte[]> { ["sub dir/M-Q4_K_M.gguf"] = gguf, ["M-Q8_0.gguf"] = Gguf(10) });

        Assert.Equal(0, await PullAsync(hub, "me/model:q4_k_m"));
        Assert.Equal(0, await PullAsync(hub, "me/model", "--file", "*Q8*", "--name", "small"));

        Assert.Equal(gguf, await File.ReadAllBytesAsync(_data["models/M-Q4_K_M.gguf"]));
        Assert.Equal(
            ["M-Q4_K_M.gguf", "small.gguf"],
            Directory.GetFileSystemEntries(_data["models"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Url_is_stored_under_its_file_name()
    {
        byte[] gguf = Gguf(1000);
        await using TestServer server = await TestServer.StartAsync(new ServedFile(gguf).ServeAsync);
        string url = new Uri(server.Address, "a/My-Model.gguf?download=true").AbsoluteUri;

        string digest = Convert.ToHexString(SHA256.HashData(gguf));
        Assert.Equal(0, await InvokeAsync("pull", url, "--data", _data.FullPath, "--sha256", digest, "--token", "hf_secret"));

        Assert.Equal(gguf, await File.ReadAllBytesAsync(_data["models/My-Model.gguf"]));
        Assert.All(server.Requests, static r => Assert.Equal("", r.Authorization)); // not the hub: not its token
    }

    [Fact]
    public async Task Page_address_of_the_hub_leads_to_its_file()
    {
        await using TestHub hub = await TestHub.StartAsync(new Dictionary<string, byte[]> { ["m-Q8_0.gguf"] = Gguf(10) });
        _environment["HF_ENDPOINT"] = hub.Hub.Address.AbsoluteUri;
        _environment["HELIXFLOW_DATA"] = _data.FullPath;

        Assert.Equal(0, await InvokeAsync("pull", new Uri(hub.Hub.Address, $"me/model/blob/{TestHub.Commit}/m-Q8_0.gguf").AbsoluteUri));

        Assert.Equal(Gguf(10), await File.ReadAllBytesAsync(_data["models/m-Q8_0.gguf"]));
        Assert.Contains("no digest was announced", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Web_page_instead_of_a_model_is_refused()
    {
        await using TestServer server = await TestServer.StartAsync(new ServedFile("<html>Sign in</html>"u8.ToArray()).ServeAsync);

        Assert.Equal(1, await InvokeAsync("pull", new Uri(server.Address, "m.gguf").AbsoluteUri, "--data", _data.FullPath));

        Assert.Contains("not a GGUF file", _error.ToString(), StringComparison.Ordinal);
        Assert.Empty(new ModelStore(_data.FullPath).List());
    }

    [Fact]
    public async Task Dry_run_lists_and_fetches_nothing()
    {
        await using TestHub hub = await TestHub.StartAsync(Folder());

        Assert.Equal(0, await PullAsync(hub, "me/model", "--dry-run"));

        Assert.Contains("model-00002-of-00002.safetensors", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains(TestHub.Commit, _output.ToString(), StringComparison.Ordinal);
        Assert.Empty(hub.Network.Requests);
        Assert.Empty(Directory.GetFileSystemEntries(_data.FullPath));
    }

    [Fact]
    public async Task Stored_model_is_not_fetched_again_and_another_is_not_overwritten()
    {
        await using TestHub hub = await TestHub.StartAsync(new Dictionary<string, byte[]> { ["m-Q8_0.gguf"] = Gguf(10) });
        Assert.Equal(0, await PullAsync(hub, "me/model"));
        int requests = hub.Network.Requests.Count;

        Assert.Equal(0, await PullAsync(hub, "me/model"));

        Assert.Equal(requests, hub.Network.Requests.Count);
        Assert.Contains("already stored", _output.ToString(), StringComparison.Ordinal);
        await File.WriteAllTextAsync(_data["models/m-Q8_0.gguf"], "another");
        Assert.Equal(1, await PullAsync(hub, "me/model"));
        Assert.Contains("the store has another model 'm-Q8_0'", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gated_model_needs_the_token_which_only_the_hub_sees()
    {
        await using TestHub hub = await TestHub.StartAsync(Folder(), isGated: true);

        Assert.Equal(1, await PullAsync(hub, "me/model"));
        Assert.Contains("set HF_TOKEN", _error.ToString(), StringComparison.Ordinal);
        _environment["HF_TOKEN"] = "wrong";
        Assert.Equal(1, await PullAsync(hub, "me/model"));
        Assert.Contains("has no access", _error.ToString(), StringComparison.Ordinal);
        _environment["HF_TOKEN"] = "hf_secret";
        Assert.Equal(0, await PullAsync(hub, "me/model"));

        Assert.NotEmpty(hub.Network.Requests);
        Assert.All(hub.Network.Requests, static r => Assert.Equal("", r.Authorization));
    }

    [Fact]
    public async Task Signed_address_that_expires_is_asked_for_again()
    {
        byte[] gguf = Gguf(150_000);
        await using TestHub hub = await TestHub.StartAsync(new Dictionary<string, byte[]> { ["m-Q8_0.gguf"] = gguf }, signatureLasts: 2);
        var request = new PullRequest { Source = "me/model", DataFolder = _data.FullPath, Endpoint = hub.Hub.Address };
        var retry = new RetryPolicy { Wait = static (_, _) => Task.CompletedTask };
        using var http = new PullHttp(hub.Hub.Address, null, retry, TimeProvider.System);
        var puller = new Puller(request, http, retry, new DownloadOptions { PieceBytes = 64 << 10, Connections = 1 });

        await puller.RunAsync(await puller.PlanAsync(CancellationToken.None), new DownloadMeter(), CancellationToken.None);

        Assert.Equal(gguf, await File.ReadAllBytesAsync(_data["models/m-Q8_0.gguf"]));
        int asked = hub.Hub.Requests.Count(static r => r.Path.Contains("/resolve/", StringComparison.Ordinal));
        Assert.InRange(asked, 5, 6); // 10 pieces, 2 a signature
    }

    [Fact]
    public async Task Wrong_digest_stops_the_pull_and_the_verified_files_stay()
    {
        await using TestHub hub = await TestHub.StartAsync(Folder());
        hub.FalseDigests["model-00002-of-00002.safetensors"] = new string('0', 64);

        Assert.Equal(1, await PullAsync(hub, "me/model"));
        Assert.Contains("expected 0000000000", _error.ToString(), StringComparison.Ordinal);
        Assert.Empty(new ModelStore(_data.FullPath).List());

        hub.FalseDigests.Clear();
        int first = hub.Network.Requests.Count(static r => r.Path.StartsWith("/model-00001", StringComparison.Ordinal));
        Assert.Equal(0, await PullAsync(hub, "me/model"));
        Assert.Equal(first, hub.Network.Requests.Count(static r => r.Path.StartsWith("/model-00001", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Partial_download_of_another_commit_is_discarded()
    {
        await using TestHub hub = await TestHub.StartAsync(new Dictionary<string, byte[]> { ["m-Q8_0.gguf"] = Gguf(10) });
        Directory.CreateDirectory(_data["models/.pull-m-Q8_0"]);
        await File.WriteAllTextAsync(_data["models/.pull-m-Q8_0/.origin"], "another commit");
        await File.WriteAllTextAsync(_data["models/.pull-m-Q8_0/m-Q8_0.gguf"], "GGUF of another commit");

        Assert.Equal(0, await PullAsync(hub, "me/model"));

        Assert.Equal(Gguf(10), await File.ReadAllBytesAsync(_data["models/m-Q8_0.gguf"]));
    }

    [Theory]
    [InlineData("not a source", "is neither a repository")]
    [InlineData("me/other", "answered 404")]
    [InlineData("http://127.0.0.1:9/model.bin", "is not a .gguf file")]
    [InlineData("http://127.0.0.1:9/%2e%2e%2fevil.gguf", "is not a .gguf file")]
    [InlineData("http://127.0.0.1:9/.gguf", "cannot name a model")]
    public async Task Unusable_sources_are_explained(string source, string reason)
    {
        await using TestHub hub = await TestHub.StartAsync(Folder());

        Assert.Equal(1, await PullAsync(hub, source));

        Assert.Contains(reason, _error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--connections", "0")]
    [InlineData("--connections", "many")]
    [InlineData("--sha256", "abc")]
    [InlineData("--name", "../evil")]
    [InlineData("--endpoint", "ftp://hub")]
    public async Task Unusable_options_are_explained(string option, string value)
    {
        await using TestHub hub = await TestHub.StartAsync(new Dictionary<string, byte[]> { ["m-Q8_0.gguf"] = Gguf(10) });

        Assert.Equal(1, await PullAsync(hub, "me/model", option, value));

        Assert.NotEqual("", _error.ToString());
        Assert.False(Directory.Exists(_data["models"]));
    }

    [Fact]
    public async Task Killed_process_leaves_a_download_that_resumes()
    {
        // Pieces are 32 MiB and the journal is saved every 16 MiB: the kill comes when both have happened.
        byte[] gguf = Gguf(16 << 20); // 64 MiB of weights
        var enough = new TaskCompletionSource();
        var stalling = new ServedFile(gguf)
        {
            Sent = (sent, aborted) =>
            {
                if (sent < 48 << 20)
                {
                    return Task.CompletedTask;
                }

                enough.TrySetResult();
                return Task.Delay(Timeout.Infinite, aborted);
            },
        };
        string url;
        int port;
        await using (TestServer server = await TestServer.StartAsync(stalling.ServeAsync))
        {
            port = server.Address.Port;
            url = new Uri(server.Address, "m.gguf").AbsoluteUri;
            string program = Path.ChangeExtension(typeof(PullCommand).Assembly.Location, null);
            using Process process = Process.Start(new ProcessStartInfo(program, ["pull", url, "--data", _data.FullPath])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            using var guard = new CancellationTokenSource(TimeSpan.FromMinutes(5));
            await enough.Task.WaitAsync(guard.Token);
            while (SavedBytes(gguf.Length) < 16 << 20)
            {
                await Task.Delay(20, guard.Token); // what has been sent may not have arrived yet
            }

            process.Kill();
            await process.WaitForExitAsync();
        }

        var served = new ServedFile(gguf);
        await using TestServer again = await TestServer.StartAsync(served.ServeAsync, port);
        Assert.Equal(0, await InvokeAsync("pull", url, "--data", _data.FullPath, "--sha256", Convert.ToHexString(SHA256.HashData(gguf))));

        Assert.Equal(gguf, await File.ReadAllBytesAsync(_data["models/m.gguf"]));
        Assert.InRange(served.SentBytes, 1, gguf.Length - (15 << 20)); // at least what the journal had saved was not fetched again
    }

    [Fact]
    public void Progress_line_tells_rate_and_time_left()
    {
        var meter = new DownloadMeter { Phase = "m.gguf" };
        meter.Expect(4_000_000_000);
        meter.Found(1_000_000_000);
        meter.Received(1_000_000_000);

        Assert.Equal("m.gguf: 2.0 GB of 4.0 GB (50 %), 100 MB/s, 0:20 left", PullDisplay.Line(meter, TimeSpan.FromSeconds(10)));
        meter.Trouble = "next try in 4 s: it broke";
        Assert.EndsWith("left; next try in 4 s: it broke", PullDisplay.Line(meter, TimeSpan.FromSeconds(10)), StringComparison.Ordinal);
        meter.Received(1);
        Assert.EndsWith("left", PullDisplay.Line(meter, TimeSpan.FromSeconds(10)), StringComparison.Ordinal);
    }

    /// <summary>Bytes that the journal of the download under way holds to be there.</summary>
    private long SavedBytes(long size)
    {
        string? journal = Directory.GetFiles(_data.FullPath, "*.part.json", SearchOption.AllDirectories).FirstOrDefault();
        return journal is null ? 0 : DownloadJournal.Load(journal, journal[..^".json".Length], size)?.DoneBytes ?? 0;
    }

    private Task<int> PullAsync(TestHub hub, string source, params string[] more) =>
        InvokeAsync(
        [
            "pull", source, "--data", _data.FullPath, .. more,
            .. more.Contains("--endpoint") ? (string[])[] : ["--endpoint", hub.Hub.Address.AbsoluteUri],
        ]);

    private async Task<int> InvokeAsync(params string[] arguments)
    {
        var root = new RootCommand { PullCommand.Create(_environment.GetValueOrDefault), ModelsCommand.Create() };
        int code = await root.Parse(arguments).InvokeAsync(new InvocationConfiguration { Output = _output, Error = _error });
        TestContext.Current.TestOutputHelper?.WriteLine($"{_output}{_error}");
        return code;
    }

    private static byte[] Gguf(int values) => new GgufWriter().Add("general.architecture", "llama")
        .AddTensor("weights", [values], [.. Enumerable.Range(0, values).Select(static i => (float)i)]).ToArray();

    private static Dictionary<string, byte[]> Folder() => new()
    {
        ["README.md"] = "A model"u8.ToArray(),
        ["config.json"] = """{"model_type":"llama"}"""u8.ToArray(),
        ["tokenizer.json"] = "{}"u8.ToArray(),
        ["model.safetensors.index.json"] =
            """{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"""u8.ToArray(),
        ["model-00001-of-00002.safetensors"] = new SafetensorsWriter().AddTensor("a", [60_000], new float[60_000]).ToArray(),
        ["model-00002-of-00002.safetensors"] = new SafetensorsWriter().AddTensor("b", [40_000], new float[40_000]).ToArray(),
    };
}
