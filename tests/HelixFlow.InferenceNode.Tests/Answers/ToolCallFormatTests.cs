using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.InferenceNode.Answers;

namespace HelixFlow.InferenceNode.Tests.Answers;

public sealed class ToolCallFormatTests
{
    [Theory]
    [InlineData("{% if tools %}...<tool_call>\\n{\"name\": <function-name>...", nameof(ToolCallFamily.Hermes), true)]
    [InlineData("{% if tools %}<tool_call>\\n<function=example_function_name>\\n<parameter=x>", nameof(ToolCallFamily.QwenXml), true)]
    [InlineData("{%- if tools %}Environment: ipython ... {\"name\": function name, \"parameters\": {}} <|python_tag|>", nameof(ToolCallFamily.LlamaJson), true)]
    [InlineData("{%- if tools %}[func_name1(params_name1=params_value1)] ipython", nameof(ToolCallFamily.LlamaPython), true)]
    [InlineData("[AVAILABLE_TOOLS]{{ tools }}[TOOL_CALLS]", nameof(ToolCallFamily.Mistral), true)]
    [InlineData("{% if 'tools' in message %}<|tool|>{{ message['tools'] }}<|/tool|>", nameof(ToolCallFamily.Phi), true)]
    [InlineData("{% for t in tools %}```tool_code", nameof(ToolCallFamily.GemmaCode), true)]
    [InlineData("{% for t in tools %}<start_function_declaration> <start_function_call>call:", nameof(ToolCallFamily.GemmaFunction), true)]
    [InlineData("{% for t in tools %}{{ t }}", nameof(ToolCallFamily.Hermes), true)]
    [InlineData("{% for m in messages %}{{ m.content }}", nameof(ToolCallFamily.Hermes), false)]
    public void The_family_shows_in_the_template(string template, string family, bool isInTemplate)
    {
        ToolCallFormat format = ToolCallFormat.Of(template);

        Assert.Equal((family, isInTemplate), (format.Family.ToString(), format.IsInTemplate));
    }

    [Theory]
    [InlineData(nameof(ToolCallFamily.Hermes), """{"name": "f", "arguments": {"a": 1}}""", 1)]
    [InlineData(nameof(ToolCallFamily.QwenXml), """{"name": "f", "arguments": {"a": 1}}""", 1)]
    [InlineData(nameof(ToolCallFamily.LlamaJson), """{"name": "f", "parameters": {"a": 1}}""", 1)]
    [InlineData(nameof(ToolCallFamily.LlamaPython), """{"name": "f", "arguments": {"a": 1}}""", 1)]
    [InlineData(nameof(ToolCallFamily.Mistral), """[{"name": "f", "arguments": {"a": 1}}, {"name": "empty", "arguments": {}}]""", 2)]
    [InlineData(nameof(ToolCallFamily.Phi), """[{"name": "f", "arguments": {"a": 1}}, {"name": "empty", "arguments": {}}]""", 2)]
    [InlineData(nameof(ToolCallFamily.GemmaFunction), """{"name": "f", "arguments": {"a": 1}}""", 1)]
    public void A_forced_call_is_read_by_the_parser_that_it_names(string family, string json, int calls)
    {
        ForcedCalls forced = ForcedCalls.Of(Enum.Parse<ToolCallFamily>(family), ReadAnswer.Tools, "", single: false);

        ReadAnswer answer = ReadAnswer.Of(forced.Family, forced.Prefix + json + forced.Suffix);

        Assert.Equal(calls, answer.Calls.Count);
        Assert.Equal("""f({"a": 1})""", answer.Calls[0]);
        Assert.Equal("", answer.Content);
    }

    [Fact]
    public void The_schema_of_a_forced_call_names_the_tool_and_keeps_references_whole()
    {
        var tools = new ToolCatalog(JsonSerializer.Deserialize<JsonElement>("""
            [{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"$ref":"#/$defs/x"},"b":{"enum":[{"$ref":"#/no"}]},"c":{"$ref":"#"}},"$defs":{"x":{"type":"integer"}}}}},
             {"type":"function","function":{"name":"g"}}]
            """));

        JsonNode one = JsonNode.Parse(ForcedCalls.Of(ToolCallFamily.Hermes, tools, "f", single: true).Schema)!;
        JsonNode any = JsonNode.Parse(ForcedCalls.Of(ToolCallFamily.Mistral, tools, "", single: true).Schema)!;

        Assert.Equal("f", (string?)one["properties"]!["name"]!["const"]);
        Assert.Equal("#/properties/arguments/$defs/x", (string?)one["properties"]!["arguments"]!["properties"]!["a"]!["$ref"]);
        Assert.Equal("#/properties/arguments", (string?)one["properties"]!["arguments"]!["properties"]!["c"]!["$ref"]);
        Assert.Equal("#/no", (string?)one["properties"]!["arguments"]!["properties"]!["b"]!["enum"]![0]!["$ref"]);
        Assert.Equal(1, (int)any["maxItems"]!);
        Assert.Equal(["f", "g"], any["items"]!["anyOf"]!.AsArray().Select(call => (string?)call!["properties"]!["name"]!["const"]));
        Assert.Equal("#/items/anyOf/0/properties/arguments/$defs/x", (string?)any["items"]!["anyOf"]![0]!["properties"]!["arguments"]!["properties"]!["a"]!["$ref"]);
    }
}
