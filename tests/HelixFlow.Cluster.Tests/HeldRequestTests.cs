using System.Net;
using System.Text.Json.Nodes;
using HelixFlow.Cluster.Tests.Processes;

namespace HelixFlow.Cluster.Tests;

/// <summary>A node whose memory holds one of its two models at a time: requests are held while the models take turns.</summary>
public sealed class HeldRequestTests : IAsyncLifetime
{
    private const int KvMiB = 16;

    private readonly string _models = Directory.CreateTempSubdirectory("helixflow-cluster-models-").FullName;
    private Processes.Cluster _cluster = null!;
    private PoolNode _node = null!;

    public async ValueTask InitializeAsync()
    {
        foreach (string name in (string[])["first", "second"])
        {
            string folder = Directory.CreateDirectory(Path.Combine(_models, name)).FullName;
            foreach (string file in Directory.GetFiles(Path.Combine(HelixProcess.Root, "models/helix-tiny")))
            {
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
            }
        }

        _cluster = Processes.Cluster.Empty();
        int need = await NeedAsync();
        _node = _cluster.AddNode("a", [.. Arguments("first", "second"), "--memory-mib", $"{need * 3 / 2}"]);
        await _node.StartAsync();
        _cluster.SetGateway("--nodes", $"static:{_node.Grpc.GetLeftPart(UriPartial.Authority)}");
        await _cluster.Gateway.StartAsync();
        await _cluster.Gateway.UntilNodesAsync(1);
    }

    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        Directory.Delete(_models, recursive: true);
    }

    [Fact]
    public async Task Requests_for_two_models_are_all_answered_while_the_models_take_turns()
    {
        ChatBody[] bodies = [.. Enumerable.Range(1, 24).Select(seed => new ChatBody { Model = seed % 2 == 0 ? "first" : "second", Seed = seed, MaxTokens = 16 })];
        var streams = new List<ChatStream>();
        foreach (ChatBody[] few in bodies.Chunk(4))
        {
            ChatStream[] begun = _cluster.Streams(few);
            streams.AddRange(begun);
            await _cluster.UntilEndedAsync(begun);
        }

        Assert.All(streams, stream => Assert.True(stream.Done && stream.Failure is null && stream.Errors.Count == 0, $"{stream}\n{_cluster.Output}"));
        Assert.InRange((await _node.MetricsAsync()).Sum("helixflow_model_resident"), 0, 1);
        await Eventually.TrueAsync(
            () => _node.Process.CountLines("Loaded first") >= 2 && _node.Process.CountLines("Loaded second") >= 2, "the node says what it has loaded", () => _cluster.Output);
    }

    [Fact]
    public async Task A_stream_that_is_held_gets_comments_and_then_its_answer()
    {
        // The second model has to wait until the first one has ended its streams.
        await Hit.OnceAsync(async () =>
        {
            ChatStream[] running = _cluster.Streams(ChatBody.Many(32, 400).Select(body => body with { Model = "first" }));
            await _cluster.UntilPiecesAsync(running, 1);
            ChatStream held = _cluster.Stream(new ChatBody { Model = "second", MaxTokens = 16 });
            await SlowDownAsync(() => held.HasEnded || held.CommentCount > 0);
            await _cluster.UntilEndedAsync([held, .. running]);

            Assert.True(held.Done && held.Failure is null && held.Errors.Count == 0, $"{held}\n{_cluster.Output}");
            Assert.All(held.Comments, comment => Assert.True(comment == "keep-alive" || comment.Contains("second", StringComparison.Ordinal), comment));
            Assert.All(running, stream => Assert.True(stream.Done, $"{stream}\n{_cluster.Output}"));
            return held.Comments.Any(comment => comment.Contains("second", StringComparison.Ordinal));
        });
    }

    [Fact]
    public async Task A_damaged_model_is_told_to_everyone_who_waits_for_it_and_the_other_one_still_serves()
    {
        string weights = Path.Combine(_models, "second", "model.safetensors");
        await File.WriteAllBytesAsync(weights, (await File.ReadAllBytesAsync(weights))[..100_000]);

        var refused = new ChatBody { Model = "second", MaxTokens = 16, Stream = false };
        ChatStream[] answers = _cluster.Streams(Enumerable.Range(1, 6).Select(seed => refused with { Seed = seed }));
        ChatStream streamed = _cluster.Stream(refused with { Stream = true });
        await _cluster.UntilEndedAsync([streamed, .. answers]);

        foreach (ChatStream answer in answers.Append(streamed))
        {
            JsonNode error = Assert.Single(answer.Errors)["error"]!;

            // A stream that waited long enough for a comment has begun with status 200.
            Assert.Equal(answer.Comments.Count == 0 ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.OK, answer.Status);
            Assert.True(answer.Comments.Count == 0 || answer.Body.Stream);
            Assert.Equal("model_unavailable", (string?)error["code"]);
            Assert.Contains("model.safetensors", (string)error["message"]!, StringComparison.Ordinal);
        }

        ChatStream other = _cluster.Stream(new ChatBody { Model = "first", MaxTokens = 16 });
        await _cluster.UntilEndedAsync([other]);
        Assert.True(other.Done, $"{other}\n{_cluster.Output}");
        Assert.Equal(HttpStatusCode.OK, await _node.HealthAsync("/readyz"));
    }

    /// <summary>Freezes the node again and again, until it is so: what takes long on a slow machine then takes long on any.</summary>
    private async Task SlowDownAsync(Func<bool> condition)
    {
        TimeSpan longerThanACommentTakes = TimeSpan.FromSeconds(4);
        while (!condition())
        {
            await _node.Process.SignalAsync("STOP");
            try
            {
                long since = TimeProvider.System.GetTimestamp();
                await Eventually.TrueAsync(() => condition() || TimeProvider.System.GetElapsedTime(since) > longerThanACommentTakes, "a pause passes", () => _cluster.Output);
            }
            finally
            {
                await _node.Process.SignalAsync("CONT");
            }
        }
    }

    private string[] Arguments(params string[] models) =>
        ["--kv-mib", $"{KvMiB}", .. models.SelectMany(model => (string[])["--model", Path.Combine(_models, model)])];

    /// <summary>What one of the models takes, in MiB.</summary>
    private async Task<int> NeedAsync()
    {
        using HttpClient client = Processes.Cluster.CreateClient();
        await using var node = new PoolNode("measure", _models, client, Arguments("first"));
        await node.StartAsync();
        return (int)((await node.MetricsAsync()).Sum("helixflow_model_memory_bytes") / (1 << 20)) + 1;
    }
}
