using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using HelixFlow.Gateway.Anthropic;

namespace HelixFlow.Gateway.Tests.Anthropic;

/// <summary>How conversations of Anthropic's API become those that chat templates know, and which are refused.</summary>
public sealed class ConversationTests
{
    private const string Path = "/v1/messages";

    [Fact]
    public async Task Blocks_become_messages()
    {
        string chat = await ToChatAsync("""
            "system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1; cch=77;"},{"type":"text","text":"Be brief."},{"type":"text","text":"Be kind.","cache_control":{"type":"ephemeral"}}],
            "messages":[
              {"role":"user","content":"How warm"},
              {"role":"user","content":[{"type":"text","text":"is it?"}]},
              {"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":"of another server"},{"type":"redacted_thinking","data":"x"},{"type":"text","text":"I look."},
                {"type":"tool_use","id":"t1","name":"get_weather","input":{"city":"Rome"}},{"type":"tool_use","id":"t2","name":"get_time","input":{}}]},
              {"role":"user","content":[{"type":"tool_result","tool_use_id":"t2","is_error":true,"content":"no clock"},{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"21"},{"type":"text","text":"degrees"}]},{"type":"text","text":"And now?"}]}]
            """);

        Assert.Equal(
            """[{"role":"system","content":"Be brief.\nBe kind."},{"role":"user","content":"How warm\nis it?"},""" +
            """{"role":"assistant","content":"I look.","reasoning_content":"Hm.","tool_calls":[{"id":"t1","type":"function","function":{"name":"get_weather","arguments":"{\"city\":\"Rome\"}"}},{"id":"t2","type":"function","function":{"name":"get_time","arguments":"{}"}}]},""" +
            """{"role":"tool","tool_call_id":"t2","name":"get_time","content":"Error: no clock"},{"role":"tool","tool_call_id":"t1","name":"get_weather","content":"21\ndegrees"},{"role":"user","content":"And now?"}]""",
            chat);
    }

    [Fact]
    public async Task A_result_may_stand_alone_and_be_empty()
    {
        string chat = await ToChatAsync("""
            "messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}]
            """);

        Assert.EndsWith("""{"role":"tool","tool_call_id":"t","name":"f","content":""}]""", chat, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(""" "messages":[] """, "messages: at least one")]
    [InlineData(""" "messages":"x" """, "'messages'")]
    [InlineData(""" "system":"s" """, "'messages'")]
    [InlineData(""" "messages":[5] """, "'messages.0'")]
    [InlineData(""" "messages":[{"role":"king","content":"x"}] """, "messages.0.role")]
    [InlineData(""" "messages":[{"role":"user"}] """, "'messages.0.content'")]
    [InlineData(""" "messages":[{"role":"user","content":[{"type":"text"}]}] """, "'messages.0.content.0.text'")]
    [InlineData(""" "messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"x"}}]}] """, "messages.0.content.0: this model reads text only")]
    [InlineData(""" "messages":[{"role":"user","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]}] """, "'tool_use' are not supported")]
    [InlineData(""" "messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}] """, "does not support assistant message prefill")]
    [InlineData(""" "messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]}] """, "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: t.")]
    [InlineData(""" "messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}] """, "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: t.")]
    [InlineData(""" "messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":"{}"}]}] """, "'messages.1.content.0.input'")]
    [InlineData(""" "messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"helixflow1.AAAA"}]},{"role":"user","content":"y"}] """, "Invalid `signature`")]
    [InlineData(""" "messages":[{"role":"user","content":"x"}],"system":5 """, "'system'")]
    [InlineData(""" "messages":[{"role":"user","content":"x"}],"stop_sequences":["a"," "] """, "stop_sequences.1: each stop sequence must contain non-whitespace")]
    [InlineData(""" "messages":[{"role":"user","content":"x"}],"temperature":1.5 """, "'temperature'")]
    [InlineData(""" "messages":[{"role":"user","content":"x"}],"tools":[{"type":"web_search_20250305","name":"web_search"}] """, "tools.0.type: 'web_search_20250305'")]
    [InlineData(""" "messages":[{"role":"user","content":"x"}],"tools":[{"name":"f"}] """, "'tools.0.input_schema'")]
    [InlineData(""" "messages":[{"role":"user","content":"x"}],"tools":[{"name":"a b","input_schema":{}}] """, "tools.0.name")]
    [InlineData(""" "messages":[{"role":"user","content":"x"}],"tools":[{"name":"f","input_schema":{}},{"name":"f","input_schema":{}}] """, "must be unique")]
    [InlineData(""" "messages":[{"role":"user","content":"x"}],"tool_choice":{"type":"any"} """, "only be specified while providing tools")]
    [InlineData(""" "messages":[{"role":"user","content":"x"}],"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"tool","name":"g"} """, "Tool 'g' not found")]
    [InlineData(""" "messages":[{"role":"user","content":"x"}],"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"any"},"thinking":{"type":"adaptive"} """, "Thinking may not be enabled")]
    [InlineData(""" "messages":[{"role":"user","content":"x"}],"thinking":{"type":"much"} """, "thinking.type")]
    [InlineData(""" "messages":[{"role":"user","content":"x"}],"output_config":{"format":{"type":"xml"}} """, "output_config.format.type")]
    [InlineData(""" "messages":[{"role":"user","content":"x"}],"mcp_servers":[{"name":"s"}] """, "'mcp_servers'")]
    public async Task A_wrong_body_is_a_400_that_names_the_field(string fields, string expected)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Path, $$"""{"model":"m","max_tokens":9,{{fields}}}""");

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        JsonNode body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal("invalid_request_error", (string?)body["error"]!["type"]);
        Assert.Contains(expected, (string)body["error"]!["message"]!, StringComparison.Ordinal);
        Assert.Null(server.Pool.Request);
    }

    [Fact]
    public void A_signature_fits_its_own_text_alone()
    {
        string signature = ThinkingSignature.Of("Hm.");

        Assert.True(ThinkingSignature.Fits("Hm.", signature));
        Assert.True(ThinkingSignature.Fits("", signature));
        Assert.True(ThinkingSignature.Fits("Hm.", "EqQBCgIYAhIM"));
        Assert.False(ThinkingSignature.Fits("Hm!", signature));
    }

    [Fact]
    public async Task Mutated_bodies_never_fail_inside()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var random = new Random(21);
        byte[] valid = Encoding.UTF8.GetBytes("""{"model":"m","max_tokens":9,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":""},{"type":"tool_use","id":"1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"r"}]}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto"},"thinking":{"type":"enabled","budget_tokens":5},"stop_sequences":["x"],"metadata":{"user_id":"u"}}""");
        for (int round = 0; round < 1000; round++)
        {
            byte[] body = [.. valid];
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                body[random.Next(body.Length)] = (byte)"{}[]\",:0truefalsn\\ü"[random.Next(19)];
            }

            using HttpResponseMessage response = await server.Client.PostAsync(Path, new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } });

            Assert.True((int)response.StatusCode is 200 or 400, $"{(int)response.StatusCode} for {Encoding.UTF8.GetString(body)}");
        }
    }

    private static async Task<string> ToChatAsync(string fields)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        using HttpResponseMessage response = await server.PostAsync(Path, $$"""{"model":"m","max_tokens":9,{{fields}}}""");
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        return server.Pool.Request!.Chat.MessagesJson;
    }
}
