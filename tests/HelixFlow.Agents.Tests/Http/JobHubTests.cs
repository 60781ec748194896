using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Http;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Http;

/// <summary>The hub, spoken to in SignalR's JSON protocol; its own client is used in the interop tests.</summary>
public sealed class JobHubTests
{
    private const char End = '\u001e';

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_job_is_followed_from_a_number_to_its_end_and_other_projects_see_nothing()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        string id = await server.SubmitAsync();
        using Connection own = await Connection.OpenAsync(server, "p"), stranger = await Connection.OpenAsync(server, "q");
        await own.SendAsync($$"""{"type":4,"invocationId":"1","target":"FollowJob","arguments":["{{id}}",1]}""");
        await stranger.SendAsync($$"""{"type":4,"invocationId":"1","target":"FollowJob","arguments":["{{id}}",0]}""");
        Assert.Contains("There is no job", (await stranger.NextAsync()).GetProperty("error").GetString(), StringComparison.Ordinal);
        Claim claim = await server.ClaimAsync();
        Assert.True(await server.Journal.SucceedAsync(claim.Lease, "1"u8.ToArray(), Token));

        Assert.Equal((2, "attempt_started"), Item(await own.NextAsync()));
        Assert.Equal((3, "succeeded"), Item(await own.NextAsync()));
        JsonElement end = await own.NextAsync();
        Assert.Equal(3, end.GetProperty("type").GetInt32());
        Assert.False(end.TryGetProperty("error", out _));
    }

    [Fact]
    public async Task A_project_is_told_of_its_open_jobs_and_of_what_changes_also_elsewhere()
    {
        await using AgentServer server = await AgentServer.StartAsync(new AgentOptions { EventPollInterval = TimeSpan.FromMilliseconds(20) });
        string ended = await server.SubmitAsync(), open = await server.SubmitAsync();
        await server.Journal.CancelAsync("p", ended, "test", Token);
        await server.SubmitAsync("q");
        using Connection connection = await Connection.OpenAsync(server, "p");
        await connection.SendAsync("""{"type":4,"invocationId":"1","target":"FollowProject","arguments":[]}""");

        JsonElement first = (await connection.NextAsync()).GetProperty("item");
        Assert.Equal((open, "ready"), (first.Text("id"), first.Text("state")));
        await server.WriteElsewhereAsync(journal => journal.CancelAsync("p", open, "another process", Token));
        JsonElement second = (await connection.NextAsync()).GetProperty("item");
        Assert.Equal((open, "cancelled"), (second.Text("id"), second.Text("state")));
    }

    [Fact]
    public async Task A_connection_has_a_key_and_a_limit()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient nobody = server.Client(null), reader = server.Client("reader");
        Assert.Equal(HttpStatusCode.Unauthorized, (await nobody.PostAsync("hub/negotiate?negotiateVersion=1", null, Token)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await nobody.PostAsync("hub/negotiate?negotiateVersion=1&access_token=wrong", null, Token)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await nobody.PostAsync("hub/negotiate?negotiateVersion=1&access_token=p", null, Token)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await reader.PostAsync("hub/negotiate?negotiateVersion=1", null, Token)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await nobody.GetAsync("jobs?access_token=p", Token)).StatusCode);

        string id = await server.SubmitAsync();
        using Connection connection = await Connection.OpenAsync(server, "p");
        for (int i = 0; i <= 100; i++)
        {
            await connection.SendAsync($$"""{"type":4,"invocationId":"{{i}}","target":"FollowJob","arguments":["{{id}}",1]}""");
        }

        JsonElement refused = await connection.NextAsync();
        Assert.Contains("100", refused.GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    private static (long Number, string Kind) Item(JsonElement message) => (message.GetProperty("item").GetProperty("number").GetInt64(), message.GetProperty("item").Text("kind"));

    private sealed class Connection(ClientWebSocket socket) : IDisposable
    {
        private readonly Queue<JsonElement> _messages = new();

        public static async Task<Connection> OpenAsync(AgentServer server, string project)
        {
            var socket = new ClientWebSocket();
            using HttpClient client = server.Client();
            await socket.ConnectAsync(new UriBuilder(new Uri(client.BaseAddress!, $"hub?access_token={project}")) { Scheme = "ws" }.Uri, Token);
            var connection = new Connection(socket);
            await connection.SendAsync("""{"protocol":"json","version":1}""");
            await connection.NextAsync();
            return connection;
        }

        public async Task SendAsync(string message) => await socket.SendAsync(Encoding.UTF8.GetBytes(message + End), WebSocketMessageType.Text, true, Token);

        /// <summary>The next message that is no sign of life.</summary>
        public async Task<JsonElement> NextAsync()
        {
            while (true)
            {
                while (_messages.Count == 0)
                {
                    await ReceiveAsync();
                }

                JsonElement message = _messages.Dequeue();
                if (!message.TryGetProperty("type", out JsonElement type) || type.GetInt32() != 6)
                {
                    return message;
                }
            }
        }

        public void Dispose() => socket.Dispose();

        private async Task ReceiveAsync()
        {
            using var whole = new MemoryStream();
            byte[] buffer = new byte[4096];
            WebSocketReceiveResult part;
            do
            {
                part = await socket.ReceiveAsync(buffer, Token);
                Assert.Equal(WebSocketMessageType.Text, part.MessageType);
                await whole.WriteAsync(buffer.AsMemory(0, part.Count), Token);
            }
            while (!part.EndOfMessage);

            foreach (string text in Encoding.UTF8.GetString(whole.ToArray()).Split(End, StringSplitOptions.RemoveEmptyEntries))
            {
                _messages.Enqueue(JsonElement.Parse(text));
            }
        }
    }
}
