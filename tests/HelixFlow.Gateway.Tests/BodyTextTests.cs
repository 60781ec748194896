using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using HelixFlow.Gateway.Requests;

namespace HelixFlow.Gateway.Tests;

/// <summary>Bodies whose JSON is well formed but whose text is not, or says two things.</summary>
public sealed class BodyTextTests
{
    private const string Chat = "/v1/chat/completions";

    [Theory]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x","name":"\ud800"}]}""")]
    [InlineData("""{"model":"m","messages":[{"role":"developer","content":"x","\udc00":1}]}""")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"logit_bias":{"\ud800":1}}""")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[1],"tool_choice":"\ud800"}""")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"modalities":["\ud800"]}""")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"chat_template_kwargs":{"a":"\udfff\ud800"}}""")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"ignored":"\ud800x"}""")]
    public async Task Half_a_surrogate_pair_is_refused_wherever_it_stands(string body)
    {
        JsonNode error = await RefusedAsync(Encoding.UTF8.GetBytes(body));

        int position = body.IndexOf("\\ud", StringComparison.Ordinal);
        Assert.Contains($"the escape at byte {position} is half of a surrogate pair", (string?)error["message"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("content")]
    [InlineData("name")]
    [InlineData("ignored")]
    public async Task Bytes_that_are_no_utf8_are_refused_wherever_they_stand(string field)
    {
        byte[] body = Encoding.UTF8.GetBytes($$"""{"model":"m","messages":[{"role":"user","content":"x","{{field}}2":"~"}]}""");
        body[Array.IndexOf(body, (byte)'~')] = 0xFF;

        JsonNode error = await RefusedAsync(body);

        Assert.Contains("not valid UTF-8", (string?)error["message"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":[{"type":"image_url"}],"content":"x"},{"role":"developer","content":"x"}]}""")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":0,"temperature":1}""")]
    public async Task Two_fields_of_one_name_are_refused(string body) => await RefusedAsync(Encoding.UTF8.GetBytes(body));

    [Fact]
    public async Task Nesting_is_bounded() =>
        await RefusedAsync(Encoding.UTF8.GetBytes($$"""{"model":"m","ignored":{{new string('[', 100_000)}}"""));

    [Fact]
    public async Task An_error_does_not_send_a_large_value_back()
    {
        JsonNode error = await RefusedAsync(Encoding.UTF8.GetBytes($$"""{"model":"m","messages":[{"role":"{{new string('r', 100_000)}}","content":"x"}]}"""));

        Assert.InRange(((string)error["message"]!).Length, 100, 1001);
    }

    [Fact]
    public async Task A_byte_order_mark_is_skipped_and_whole_pairs_are_read()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.Client.PostAsync(
            Chat, Json([0xEF, 0xBB, 0xBF, .. """{"model":"m","messages":[{"role":"developer","content":"\ud83d\ude42 \\ud800 \"\\\""}]}"""u8]));

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("🙂 \\ud800 \"\\\"", (string?)JsonNode.Parse(server.Pool.Request!.Chat.MessagesJson)![0]!["content"]);
    }

    [Fact]
    public void Lone_surrogates_are_those_that_a_decoder_refuses()
    {
        // The witness is the framework's own decoder of JSON strings.
        var random = new Random(7);
        string[] pieces = ["\\ud83d", "\\uDE42", "\\u0041", "\\\\", "\\n", "\\\"", "u", "d83d", "é", "\\uDBFF", "\\udc00"];
        for (int round = 0; round < 5000; round++)
        {
            string json = $"\"{string.Concat(Enumerable.Range(0, random.Next(7)).Select(_ => pieces[random.Next(pieces.Length)]))}\"";
            bool refused = false;
            try
            {
                System.Text.Json.JsonSerializer.Deserialize<string>(json);
            }
            catch (System.Text.Json.JsonException)
            {
                refused = true;
            }

            Assert.True(refused == JsonEscapes.FindLoneSurrogate(Encoding.UTF8.GetBytes(json)) is not null, json);
        }
    }

    private static async Task<JsonNode> RefusedAsync(byte[] body)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.Client.PostAsync(Chat, Json(body));

        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.BadRequest, $"{response.StatusCode}: {text}");
        Assert.Null(server.Pool.Request);
        return JsonNode.Parse(text)!["error"]!;
    }

    private static ByteArrayContent Json(byte[] body) => new(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
}
