using System.Net.Http.Headers;
using System.Net.WebSockets;
using System.Text.Json.Nodes;
using HelixFlow.Gateway.Tests.Responses;
using HelixFlow.Gateway.Tests.Sockets;

namespace HelixFlow.Gateway.Tests.Realtime;

/// <summary>Short-lived keys for Realtime sockets.</summary>
public class ClientSecretTests(PostgresForTests? postgres = null) : StorageTests(postgres)
{
    private const string Path = "/v1/realtime/client_secrets";
    private const string Polite = """{"expires_after":{"anchor":"created_at","seconds":60},"session":{"type":"realtime","model":"org/model","instructions":"Be polite.","max_output_tokens":7}}""";

    [Fact]
    public async Task A_secret_opens_sockets_that_answer_as_it_says()
    {
        var time = new ManualTime();
        await using GatewayServer server = await StartServerAsync(time: time);

        JsonNode secret = await server.SendAsync(HttpMethod.Post, Path, Polite);
        string key = (string)secret["value"]!;
        await using SocketClient byHeader = await SocketClient.OpenAsync(server, "/v1/realtime", key);
        JsonNode session = (await byHeader.NextAsync("session.created"))["session"]!;
        await using SocketClient byProtocol = await SocketClient.OpenAsync(server, "/v1/realtime?model=org/model", key: null, "realtime", "openai-insecure-api-key." + key);

        Assert.StartsWith("ek_", key, StringComparison.Ordinal);
        Assert.Equal(ManualTime.StartInUnixSeconds + 60, (long)secret["expires_at"]!);
        Assert.Equal(("realtime", "org/model", "Be polite.", 7), ((string?)secret["session"]!["type"], (string?)secret["session"]!["model"], (string?)secret["session"]!["instructions"], (int)secret["session"]!["max_output_tokens"]!));
        Assert.Equal(("org/model", "Be polite.", 7), ((string?)session["model"], (string?)session["instructions"], (int)session["max_output_tokens"]!));
        Assert.Equal("Be polite.", (string?)(await byProtocol.NextAsync("session.created"))["session"]!["instructions"]);
        Assert.Equal("realtime", byProtocol.Subprotocol);
        Assert.DoesNotContain(server.Log.Lines, line => line.Message.Contains(key, StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_expired_secret_and_one_that_was_never_made_are_wrong_keys()
    {
        var time = new ManualTime();
        await using GatewayServer server = await StartServerAsync(time: time);
        string key = (string)(await server.SendAsync(HttpMethod.Post, Path, Polite))["value"]!;

        time.Advance(TimeSpan.FromSeconds(60));

        await RefusedAsync(server, "/v1/realtime", key, 401);
        await RefusedAsync(server, "/v1/realtime", "ek_0123", 401);
    }

    [Fact]
    public async Task A_secret_is_good_for_nothing_else()
    {
        await using GatewayServer server = await StartServerAsync();
        string key = (string)(await server.SendAsync(HttpMethod.Post, Path, Polite))["value"]!;
        server.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);

        foreach ((HttpMethod method, string path, string? body) in ((HttpMethod, string, string?)[])
            [(HttpMethod.Get, "/v1/models", null), (HttpMethod.Post, ResponseClient.Path, """{"model":"m","input":"hi"}"""), (HttpMethod.Post, Path, Polite), (HttpMethod.Get, "/v1/responses", null)])
        {
            Assert.Equal("insufficient_permissions", (string?)(await server.FailAsync(403, method, path, body))["code"]);
        }

        await RefusedAsync(server, "/v1/realtime?model=other", key, 400);
        Assert.Null(server.Pool.Request);
    }

    [Fact]
    public async Task Secrets_outlive_the_process_and_belong_to_a_project()
    {
        using var folder = new TemporaryFolder();
        var options = new GatewayOptions { DataFolder = folder.Path };
        string key;
        await using (GatewayServer first = await StartServerAsync(options))
        {
            first.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "other");
            key = (string)(await first.SendAsync(HttpMethod.Post, Path, Polite))["value"]!;
        }

        await using GatewayServer second = await StartServerAsync(options);
        await using SocketClient client = await SocketClient.OpenAsync(second, "/v1/realtime", key);
        await client.NextAsync("session.created");
        await client.SendAsync("""{"type": "response.create", "response": {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}]}}""");
        await client.UntilAsync("response.done");

        Assert.Equal(("q", 7u), (second.Pool.Request!.Project, second.Pool.Request.MaxTokens));
        string log = System.IO.Path.Combine(folder.Path, "gateway.db-wal");
        Assert.DoesNotContain(key, File.Exists(log) ? await File.ReadAllTextAsync(log, System.Text.Encoding.Latin1) : "", StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_older_form_has_the_key_inside_of_the_session()
    {
        var time = new ManualTime();
        await using GatewayServer server = await StartServerAsync(time: time);

        JsonNode session = await server.SendAsync(HttpMethod.Post, "/v1/realtime/sessions", """{"model":"org/model","modalities":["text"],"instructions":"Be brief.","max_response_output_tokens":9}""");
        await using SocketClient client = await SocketClient.OpenAsync(server, "/v1/realtime", (string)session["client_secret"]!["value"]!);
        JsonNode opened = (await client.NextAsync("session.created"))["session"]!;

        Assert.Equal(("realtime.session", "org/model", ManualTime.StartInUnixSeconds + 60), ((string?)session["object"], (string?)session["model"], (long)session["client_secret"]!["expires_at"]!));
        Assert.Equal(("Be brief.", 9), ((string?)opened["instructions"], (int)opened["max_output_tokens"]!));
    }

    [Fact]
    public async Task Both_names_of_a_field_at_once_are_refused()
    {
        await using GatewayServer server = await StartServerAsync();

        JsonNode error = await server.FailAsync(400, HttpMethod.Post, "/v1/realtime/sessions", """{"model":"org/model","modalities":["text"],"output_modalities":["text"]}""");

        Assert.Equal(("modalities", "mutually_exclusive_parameters"), ((string?)error["param"], (string?)error["code"]));
    }

    [Theory]
    [InlineData("{}", "session", "missing_required_parameter")]
    [InlineData("""{"session":{"model":"org/model"}}""", "session.type", "missing_required_parameter")]
    [InlineData("""{"session":{"type":"transcription"}}""", "session.type", "unsupported_value")]
    [InlineData("""{"session":{"type":"realtime","model":"nope"}}""", "model", "model_not_found")]
    [InlineData("""{"session":{"type":"realtime","audio":{"output":{"voice":"alloy"}}}}""", "session.audio", "unsupported_parameter")]
    [InlineData("""{"session":{"type":"realtime","voice":"alloy"}}""", "session.voice", "unknown_parameter")]
    [InlineData("""{"session":{"type":"realtime","output_modalities":["audio"]}}""", "session.output_modalities", "unsupported_value")]
    [InlineData("""{"session":{"type":"realtime"},"expires_after":{"seconds":9}}""", "expires_after.seconds", "decimal_below_min_value")]
    [InlineData("""{"session":{"type":"realtime"},"expires_after":{"seconds":7201}}""", "expires_after.seconds", "decimal_above_max_value")]
    [InlineData("""{"session":{"type":"realtime"},"expires_after":{"anchor":"now"}}""", "expires_after.anchor", "invalid_value")]
    public async Task A_session_that_cannot_be_is_refused(string body, string param, string code)
    {
        await using GatewayServer server = await StartServerAsync();

        JsonNode error = await server.FailAsync(code == "model_not_found" ? 404 : 400, HttpMethod.Post, Path, body);

        Assert.Equal((param, code), ((string?)error["param"], (string?)error["code"]));
    }

    private static async Task RefusedAsync(GatewayServer server, string path, string key, int status)
    {
        WebSocketException refusal = await Assert.ThrowsAsync<WebSocketException>(() => SocketClient.OpenAsync(server, path, key));
        Assert.Contains($"'{status}'", refusal.Message, StringComparison.Ordinal);
    }
}
