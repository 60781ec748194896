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
}
