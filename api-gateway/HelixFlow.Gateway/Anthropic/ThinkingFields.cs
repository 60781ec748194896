using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Anthropic;

/// <summary>The fields <c>thinking</c> and <c>output_config.effort</c>: how much the model reasons, and whether that is shown.</summary>
internal static class ThinkingFields
{
    private static readonly string[] _efforts = ["low", "medium", "high", "xhigh", "max"];

    /// <summary>Tells the prompt's template whether the model reasons before it answers; as with Anthropic's models, only when it is asked to.</summary>
    /// <returns>Whether the reasoning's text is left out of the answer.</returns>
    /// <exception cref="OpenAiException">A field is malformed, or both reasoning and a call are demanded.</exception>
    public static bool Read(RequestFields fields, ChatPrompt prompt)
    {
        RequestFields? thinking = fields.Object("thinking");
        string type = thinking?.RequiredString("type") ?? "disabled";
        if (type is not ("enabled" or "adaptive" or "disabled"))
        {
            throw RequestFields.Invalid("thinking.type", $"thinking.type: Invalid value: '{type}'. Supported values are: 'enabled', 'adaptive' and 'disabled'.", "invalid_value");
        }

        bool isOn = type != "disabled";
        if (isOn && prompt.HasForcedTool)
        {
            throw RequestFields.Invalid("thinking", "Thinking may not be enabled when tool_choice forces tool use.", "invalid_value");
        }

        thinking?.Integer("budget_tokens", 1, int.MaxValue); // there is no budget: max_tokens alone limits the answer
        bool isOmitted = thinking?.String("display") switch
        {
            null or "summarized" => false,
            "omitted" => true,
            { } other => throw RequestFields.Invalid("thinking.display", $"thinking.display: Invalid value: '{other}'. Supported values are: 'summarized' and 'omitted'.", "invalid_value"),
        };
        string? effort = fields.Object("output_config")?.String("effort");
        if (effort is not null && !_efforts.Contains(effort))
        {
            throw RequestFields.Invalid("output_config.effort", $"output_config.effort: Invalid value: '{effort}'. Supported values are: 'low', 'medium', 'high', 'xhigh' and 'max'.", "invalid_value");
        }

        prompt.TemplateVariablesJson = TemplateVariables.Of(isOn, effort);
        return isOmitted;
    }
}
