using HelixFlow.Cluster.Tests.Processes;

namespace HelixFlow.Cluster.Tests;

/// <summary>What 32 streams give when nothing happens to them, from one process without a cluster; all tests compare with it.</summary>
internal static class Undisturbed
{
    public const int Streams = 32;

    /// <summary>Enough that the streams run for seconds.</summary>
    public const int Tokens = 300;

    private static readonly Lazy<Task<Dictionary<int, ChatStream>>> Run = new(RunAsync);

    public static ChatBody[] Bodies => ChatBody.Many(Streams, Tokens);

    /// <summary>Checks that a stream has exactly the text and the tokens, and ends as it would have ended alone.</summary>
    public static async Task AssertSameAsync(ChatStream stream, Func<string> facts)
    {
        ChatStream expected = (await Run.Value)[stream.Body.Seed];
        Assert.True(stream.Done && stream.Failure is null && stream.Errors.Count == 0, $"{stream}\n{facts()}");
        Assert.Equal(expected.Text, stream.Text);
        Assert.Equal(expected.LogprobsText, stream.LogprobsText);
        Assert.Equal(["length"], stream.FinishReasons);
        Assert.Equal(Tokens, (int)stream.Usage!["completion_tokens"]!);
        Assert.Equal((int)expected.Usage!["prompt_tokens"]!, (int)stream.Usage["prompt_tokens"]!);
    }

    /// <summary>Begins it if nobody has: its server should not compute beside a cluster under test.</summary>
    public static Task PrepareAsync() => Run.Value;

    private static async Task<Dictionary<int, ChatStream>> RunAsync()
    {
        string data = Directory.CreateTempSubdirectory("helixflow-cluster-").FullName;
        using HttpClient client = Processes.Cluster.CreateClient();
        await using (HelixProcess server = HelixProcess.Start("all", "serve", "--port", "0", "--data", data, "--threads", "1", "--hang-seconds", "300"))
        {
            var address = new Uri((await server.LineAsync(new(@"^HelixFlow serves .* on (http://\S+)/v1 "))).Groups[1].Value);
            ChatStream[] streams = [.. Bodies.Select(body => ChatStream.Start(client, address, body))];
            await Eventually.TrueAsync(() => streams.All(stream => stream.HasEnded), "the undisturbed streams end", () => server.Output);
            Assert.All(streams, stream => Assert.True(stream is { Done: true, Text.Length: > Tokens / 2, Errors.Count: 0 }, stream + server.Output));
            Directory.Delete(data, recursive: true);
            return streams.ToDictionary(stream => stream.Body.Seed);
        }
    }
}
