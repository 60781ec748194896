using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Gateway.Tests.Responses;

namespace HelixFlow.Gateway.Tests.Files;

/// <summary>Files inside messages: by their ids and by their content.</summary>
public class InputFileTests(PostgresForTests? postgres = null) : StorageTests(postgres)
{
    [Theory]
    [InlineData("notes.md", "# One\n\nTwo", "notes.md:\n\n# One\n\nTwo")]
    [InlineData("page.html", "<h1>One</h1><script>x()</script><p>Two &amp; three</p>", "page.html:\n\nOne\nTwo & three\n")]
    [InlineData("table.csv", "a;b\n1;2", "table.csv:\n\na;b\n1;2")]
    [InlineData("noname", "{\"a\": 1}", "noname:\n\n{\"a\": 1}")]
    public async Task A_stored_file_is_read_by_its_id_in_responses_and_in_chat(string filename, string content, string expected)
    {
        await using GatewayServer server = await StartServerAsync();
        string id = await UploadAsync(server, content, filename);

        JsonNode response = await server.CreateAsync($$"""{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"Read: "},{"type":"input_file","file_id":"{{id}}"}]}]}""");
        string inResponses = MessageOf(server);
        await FileClient.JsonAsync(await server.PostAsync("/v1/chat/completions", $$"""{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"Read: "},{"type":"file","file":{"file_id":"{{id}}"} }]}]}"""));

        Assert.Equal(("Read: " + expected, "Read: " + expected), (inResponses, MessageOf(server)));
        await FileClient.JsonAsync(await server.Client.DeleteAsync($"/v1/files/{id}"));
        await server.CreateAsync($$"""{"model":"m","input":"And?","previous_response_id":"{{response["id"]}}"}""");
        Assert.Equal("Read: " + expected, MessageOf(server)); // what was read stays part of the response
    }

    [Fact]
    public async Task Content_is_read_as_the_file_that_it_is_said_to_be()
    {
        await using GatewayServer server = await StartServerAsync();
        string data = Convert.ToBase64String("<p>One</p>"u8);

        await FileClient.JsonAsync(await server.PostAsync(
            "/v1/chat/completions", $$"""{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.html","file_data":"data:text/html;base64,{{data}}"} }]}]}"""));

        Assert.Equal("a.html:\n\nOne\n", MessageOf(server));
    }

    [Theory]
    [InlineData("paper.pdf", "%PDF-1.7", "unsupported_value", "The file type of 'paper.pdf' is not supported")]
    [InlineData("hidden.txt", "%PDF-1.7", "unsupported_value", "is not supported")]
    [InlineData("a.txt", "a\0b", "unsupported_value", "binary")]
    [InlineData("a.txt", "  ", "unsupported_value", "holds no text")]
    public async Task A_file_that_is_no_text_is_refused_by_name(string filename, string content, string code, string message)
    {
        await using GatewayServer server = await StartServerAsync();
        string id = await UploadAsync(server, content, filename);
        string data = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(content));

        JsonNode stored = await server.FailAsync(400, HttpMethod.Post, ResponseClient.Path, $$"""{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_id":"{{id}}"}]}]}""");
        JsonNode sent = await server.FailAsync(400, HttpMethod.Post, "/v1/chat/completions", $$"""{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"filename":"{{filename}}","file_data":"{{data}}"} }]}]}""");

        Assert.Equal((code, "input[0].content[0].file_id"), ((string?)stored["code"], (string?)stored["param"]));
        Assert.Equal((code, "messages[0].content[0].file.file_data"), ((string?)sent["code"], (string?)sent["param"]));
        Assert.Contains(message, (string?)stored["message"], StringComparison.Ordinal);
        Assert.Contains(message, (string?)sent["message"], StringComparison.Ordinal);
        Assert.Null(server.Pool.Request);
    }

    [Fact]
    public async Task A_file_that_is_not_there_or_another_projects_is_not_found()
    {
        await using GatewayServer server = await StartServerAsync();
        using HttpClient other = FileClient.Other(server);
        string id = (await FileClient.UploadAsync(other, "text", "user_data", "a.txt")).GetProperty("id").GetString()!;

        foreach (string name in (string[])[id, "file-none"])
        {
            JsonNode error = await server.FailAsync(404, HttpMethod.Post, ResponseClient.Path, $$"""{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_id":"{{name}}"}]}]}""");
            Assert.Equal(($"No such File object: {name}", "input[0].content[0].file_id"), ((string?)error["message"], (string?)error["param"]));
        }
    }

    [Fact]
    public async Task Files_that_are_larger_than_a_body_together_are_refused()
    {
        await using GatewayServer server = await StartServerAsync(new GatewayOptions { MaxBodyBytes = 1000 });
        string first = await UploadAsync(server, new string('a', 600), "a.txt");
        string second = await UploadAsync(server, new string('b', 600), "b.txt");

        await server.CreateAsync($$"""{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_id":"{{first}}"},{"type":"input_file","file_id":"{{first}}"}]}]}""");
        JsonNode error = await server.FailAsync(
            400, HttpMethod.Post, ResponseClient.Path, $$"""{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_id":"{{first}}"},{"type":"input_file","file_id":"{{second}}"}]}]}""");

        Assert.Equal(("file_too_large", "input[0].content[1].file_id"), ((string?)error["code"], (string?)error["param"]));
    }

    [Theory]
    [InlineData("""{"type":"file"}""", "messages[0].content[0].file")]
    [InlineData("""{"type":"file","file":{}}""", "messages[0].content[0].file.file_data")]
    [InlineData("""{"type":"file","file":{"file_id":7}}""", "messages[0].content[0].file.file_id")]
    [InlineData("""{"type":"file","file":{"file_id":"f","file_data":"YQ=="}}""", "messages[0].content[0].file.file_id")]
    [InlineData("""{"type":"file","file":{"file_data":"?"}}""", "messages[0].content[0].file.file_data")]
    public async Task A_malformed_file_is_refused(string part, string param)
    {
        await using GatewayServer server = await StartServerAsync();

        JsonNode error = await server.FailAsync(400, HttpMethod.Post, "/v1/chat/completions", $$"""{"model":"m","messages":[{"role":"user","content":[{{part}}]}]}""");

        Assert.Equal(param, (string?)error["param"]);
    }

    private static async Task<string> UploadAsync(GatewayServer server, string content, string filename) =>
        (await FileClient.UploadAsync(server.Client, content, "user_data", filename)).GetProperty("id").GetString()!;

    private static string MessageOf(GatewayServer server) => JsonDocument.Parse(server.Pool.Request!.Chat.MessagesJson).RootElement[0].GetProperty("content").GetString()!;
}
