using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.InferenceNode.Answers;

namespace HelixFlow.InferenceNode.Tests.Answers;

public sealed class ToolPromptTests
{
    private const string Call = """{"id":"call_abcDEF123456","type":"function","function":{"name":"f","arguments":"{\"a\": 1.50}"}}""";
    private static readonly JsonElement Tools = JsonElement.Parse("""[{"type":"function","function":{"name":"f"}}]""");

    [Fact]
    public void Templates_get_arguments_as_objects_and_content_as_text()
    {
        AssertSame(
            """[{"role":"user","content":"x"},{"role":"assistant","content":"","tool_calls":[{"id":"call_abcDEF123456","type":"function","function":{"name":"f","arguments":{"a":1.50}}}]},{"role":"tool","tool_call_id":"call_abcDEF123456","content":"7"}]""",
            ToolPrompt.ForTemplate(JsonElement.Parse($$$"""[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{{{Call}}}]},{"role":"tool","tool_call_id":"call_abcDEF123456","content":"7"}]"""), shortIds: false));
    }

    [Theory]
    [InlineData("", "{}")]
    [InlineData("not json", "\"not json\"")]
    [InlineData("[1]", "\"[1]\"")]
    [InlineData("{\\\"a\\\":1,\\\"a\\\":2}", "\"{\\u0022a\\u0022:1,\\u0022a\\u0022:2}\"")]
    public void Arguments_that_are_no_object_stay_text(string arguments, string expected)
    {
        JsonElement messages = ToolPrompt.ForTemplate(
            JsonElement.Parse($$$"""[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{{{arguments}}}"}}]}]"""), shortIds: false);

        AssertSame(expected, messages[0].GetProperty("tool_calls")[0].GetProperty("function").GetProperty("arguments"));
    }

    [Fact]
    public void Ids_become_short_where_the_template_wants_it_and_still_belong_together()
    {
        JsonElement messages = ToolPrompt.ForTemplate(
            JsonElement.Parse($$$"""[{"role":"assistant","tool_calls":[{{{Call}}}]},{"role":"tool","tool_call_id":"call_abcDEF123456","content":"7"},{"role":"tool","tool_call_id":"a-1","content":"8"}]"""), shortIds: true);

        Assert.Equal("DEF123456", messages[0].GetProperty("tool_calls")[0].GetProperty("id").GetString());
        Assert.Equal("DEF123456", messages[1].GetProperty("tool_call_id").GetString());
        Assert.Equal("0000000a1", messages[2].GetProperty("tool_call_id").GetString());
    }

    [Fact]
    public void Reasoning_goes_by_the_name_that_templates_know()
    {
        JsonElement messages = ToolPrompt.ForTemplate(JsonElement.Parse("""[{"role":"assistant","content":"x","reasoning":"r"}]"""), shortIds: false);

        Assert.Equal("r", messages[0].GetProperty("reasoning_content").GetString());
    }

    [Fact]
    public void A_template_without_tools_is_told_of_them_in_the_system_message()
    {
        JsonElement messages = ToolPrompt.ForTemplate(JsonElement.Parse($$$"""
            [{"role":"system","content":"Be brief."},{"role":"user","content":"x"},{"role":"assistant","content":"Wait.","tool_calls":[{{{Call}}},{{{Call}}}]},
             {"role":"tool","tool_call_id":"a","content":"7"},{"role":"tool","tool_call_id":"a","content":"8"},{"role":"user","content":"y"}]
            """), shortIds: false);

        JsonElement told = ToolPrompt.WithTools(messages, Tools, intoUser: false);

        Assert.Equal(["system", "user", "assistant", "user", "user"], told.EnumerateArray().Select(message => message.GetProperty("role").GetString()));
        string system = told[0].GetProperty("content").GetString()!;
        Assert.StartsWith("Be brief.\n\n# Tools", system, StringComparison.Ordinal);
        Assert.Contains("<tools>\n{\"type\":\"function\",\"function\":{\"name\":\"f\"}}\n</tools>", system, StringComparison.Ordinal);
        string called = told[2].GetProperty("content").GetString()!;
        Assert.Equal(["f({\"a\":1.50})", "f({\"a\":1.50})"], ReadAnswer.Of(ToolCallFamily.Hermes, called).Calls);
        Assert.Equal("<tool_response>\n7\n</tool_response>\n<tool_response>\n8\n</tool_response>", told[3].GetProperty("content").GetString());
    }

    [Fact]
    public void Without_a_system_message_the_tools_stand_in_a_new_one_or_in_the_users()
    {
        JsonElement messages = JsonElement.Parse("""[{"role":"user","content":"x"}]""");

        Assert.Equal("system", ToolPrompt.WithTools(messages, Tools, intoUser: false)[0].GetProperty("role").GetString());
        JsonElement told = ToolPrompt.WithTools(messages, Tools, intoUser: true);
        Assert.Equal(1, told.GetArrayLength());
        Assert.EndsWith("\n\nx", told[0].GetProperty("content").GetString(), StringComparison.Ordinal);
        Assert.Equal(messages.GetRawText(), ToolPrompt.WithTools(messages, null, intoUser: false).GetRawText());
    }

    [Fact]
    public void Phis_template_takes_tools_in_the_system_message_and_calls_as_text()
    {
        JsonElement messages = ToolPrompt.ForTemplate(JsonElement.Parse($$$"""[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{{{Call}}}]}]"""), shortIds: false);

        JsonElement told = ToolPrompt.WithToolsInMessage(messages, Tools);

        Assert.Equal(["system", "user", "assistant"], told.EnumerateArray().Select(message => message.GetProperty("role").GetString()));
        Assert.Equal("""[{"name":"f"}]""", told[0].GetProperty("tools").GetString());
        Assert.Equal(["f({\"a\":1.50})"], ReadAnswer.Of(ToolCallFamily.Phi, told[2].GetProperty("content").GetString()!).Calls);
    }

    private static void AssertSame(string expected, JsonElement actual) =>
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), JsonNode.Parse(actual.GetRawText())), actual.GetRawText());
}
