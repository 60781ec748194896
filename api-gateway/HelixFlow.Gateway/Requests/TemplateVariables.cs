using HelixFlow.Gateway.Streaming;
namespace HelixFlow.Gateway.Requests;

/// <summary>What chat templates are told about reasoning, under the names that they know.</summary>
internal static class TemplateVariables
{
    /// <summary>The variables as a JSON object.</summary>
    /// <param name="isThinking">Whether the model should reason before it answers (<c>enable_thinking</c>).</param>
    /// <param name="effort">How much (<c>reasoning_effort</c>); null leaves that to the template.</param>
    public static string Of(bool isThinking, string? effort) => JsonText.Of((isThinking, effort), static (json, state) =>
    {
        json.WriteStartObject();
        if (state.effort is { } effort)
        {
            json.WriteString("reasoning_effort"u8, effort);
        }

        json.WriteBoolean("enable_thinking"u8, state.isThinking);
        json.WriteEndObject();
    });
}
