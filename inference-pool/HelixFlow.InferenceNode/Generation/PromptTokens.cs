using System.Text.Json;
using HelixFlow.Engine.Templates;
using HelixFlow.InferenceNode.Serving;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Generation;

/// <summary>A request's prompt as token ids, whatever form it came in.</summary>
internal static class PromptTokens
{
    /// <exception cref="InferenceException">The prompt is missing, malformed, or refused by the model's template.</exception>
    public static int[] Of(GenerateRequest request, ServedModel model, TimeProvider time) => request.PromptCase switch
    {
        GenerateRequest.PromptOneofCase.Chat => OfChat(request.Chat, model, time, addSpecial: false, addGenerationPrompt: true),
        GenerateRequest.PromptOneofCase.Text => model.Tokenizer.Encode(request.Text, addSpecial: true, parseSpecial: true),
        GenerateRequest.PromptOneofCase.Tokens => [.. request.Tokens.Ids],
        _ => throw new InferenceException(InferenceError.InvalidArgument, "The request has no prompt.", "prompt"),
    };

    /// <param name="chat">The conversation.</param>
    /// <param name="model">Whose template and tokenizer to use.</param>
    /// <param name="time">What templates show as the present.</param>
    /// <param name="addSpecial">Whether it also gets what the model wants around a text; templates write that themselves.</param>
    /// <param name="addGenerationPrompt">Whether it ends with the beginning of the assistant's answer.</param>
    /// <exception cref="InferenceException">The conversation is malformed, or refused by the model's template.</exception>
    public static int[] OfChat(ChatPrompt chat, ServedModel model, TimeProvider time, bool addSpecial, bool addGenerationPrompt) =>
        model.Tokenizer.Encode(Render(chat, model, time, addGenerationPrompt), addSpecial, parseSpecial: true);

    private static string Render(ChatPrompt chat, ServedModel model, TimeProvider time, bool addGenerationPrompt)
    {
        if (model.Template is null)
        {
            throw new InferenceException(
                InferenceError.InvalidArgument, $"The model '{model.Description.Name}' has no chat template: it is not a chat model. Use the completions endpoint.", "model");
        }

        try
        {
            return model.Template.Render(new ChatTemplateInput
            {
                Messages = Parse(chat.MessagesJson, "messages")!.Value,
                Tools = Parse(chat.ToolsJson, "tools"),
                Variables = Parse(chat.TemplateVariablesJson, "chat_template_kwargs"),
                AddGenerationPrompt = addGenerationPrompt,
                BosToken = TokenText(model, model.Tokenizer.BosId),
                EosToken = TokenText(model, model.Tokenizer.EosId),
                Now = time.GetLocalNow(),
            });
        }
        catch (TemplateRenderException exception)
        {
            throw new InferenceException(
                InferenceError.InvalidArgument, $"The model's chat template refuses the messages: {exception.Message}", "messages", exception);
        }
    }

    private static string TokenText(ServedModel model, int? id) => id is { } token ? model.Tokenizer.TokenText(token) : "";

    private static JsonElement? Parse(string json, string field)
    {
        if (json.Length == 0 && field != "messages")
        {
            return null;
        }

        try
        {
            return JsonElement.Parse(json);
        }
        catch (JsonException exception)
        {
            throw new InferenceException(InferenceError.InvalidArgument, $"{field} is not valid JSON: {exception.Message}", field, exception);
        }
    }
}
