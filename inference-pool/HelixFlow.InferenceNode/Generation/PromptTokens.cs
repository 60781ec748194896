using System.Text.Json;
using HelixFlow.Engine.Templates;
using HelixFlow.InferenceNode.Answers;
using HelixFlow.InferenceNode.Serving;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Generation;

/// <summary>A request's prompt as token ids, whatever form it came in.</summary>
internal static class PromptTokens
{
    /// <exception cref="InferenceException">The prompt is missing, malformed, or refused by the model's template.</exception>
    public static int[] Of(GenerateRequest request, ServedModel model, TimeProvider time) => Of(request, model, time, out _);

    /// <param name="request">The request.</param>
    /// <param name="model">Its model.</param>
    /// <param name="time">What templates show as the time.</param>
    /// <param name="chat">A chat prompt as the template has rendered it; null for the other forms.</param>
    /// <exception cref="InferenceException">The prompt is missing, malformed, or refused by the model's template.</exception>
    public static int[] Of(GenerateRequest request, ServedModel model, TimeProvider time, out string? chat)
    {
        chat = request.PromptCase == GenerateRequest.PromptOneofCase.Chat ? Render(request.Chat, model, time, addGenerationPrompt: true) : null;
        return Encode(request, model, chat);
    }

    private static int[] Encode(GenerateRequest request, ServedModel model, string? chat) => request.PromptCase switch
    {
        GenerateRequest.PromptOneofCase.Chat => model.Tokenizer.Encode(chat, addSpecial: false, parseSpecial: true),
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
        if (model.Template is null || model.Answers is null)
        {
            throw new InferenceException(
                InferenceError.InvalidArgument, $"The model '{model.Description.Name}' has no chat template: it is not a chat model. Use the completions endpoint.", "model");
        }

        JsonElement messages = ToolPrompt.ForTemplate(Parse(chat.MessagesJson, "messages", JsonValueKind.Array)!.Value, model.Answers.WantsShortIds);
        JsonElement? tools = Parse(chat.ToolsJson, "tools", JsonValueKind.Array);
        JsonElement? variables = Parse(chat.TemplateVariablesJson, "chat_template_kwargs", JsonValueKind.Object);
        try
        {
            if (model.Answers.TakesToolsInMessage)
            {
                return Render(model, ToolPrompt.WithToolsInMessage(messages, tools), null, variables, time, addGenerationPrompt);
            }

            if (model.Answers.Calls.IsInTemplate)
            {
                return Render(model, messages, tools, variables, time, addGenerationPrompt);
            }

            try
            {
                return Render(model, ToolPrompt.WithTools(messages, tools, intoUser: false), null, variables, time, addGenerationPrompt);
            }
            catch (TemplateRenderException refusal) when (refusal.IsRaisedByTemplate && tools is not null)
            {
                return Render(model, ToolPrompt.WithTools(messages, tools, intoUser: true), null, variables, time, addGenerationPrompt); // some take no system messages
            }
        }
        catch (TemplateRenderException exception)
        {
            throw new InferenceException(
                InferenceError.InvalidArgument, $"The model's chat template refuses the messages: {exception.Message}", "messages", exception);
        }
    }

    private static string Render(ServedModel model, JsonElement messages, JsonElement? tools, JsonElement? variables, TimeProvider time, bool addGenerationPrompt) => model.Template!.Render(new ChatTemplateInput
    {
        Messages = messages,
        Tools = tools,
        Variables = variables,
        AddGenerationPrompt = addGenerationPrompt,
        BosToken = TokenText(model, model.Tokenizer.BosId),
        EosToken = TokenText(model, model.Tokenizer.EosId),
        Now = time.GetLocalNow(),
    });

    private static string TokenText(ServedModel model, int? id) => id is { } token ? model.Tokenizer.TokenText(token) : "";

    private static JsonElement? Parse(string json, string field, JsonValueKind kind)
    {
        if (json.Length == 0 && field != "messages")
        {
            return null;
        }

        try
        {
            JsonElement value = JsonElement.Parse(json);
            return value.ValueKind == kind ? value : throw new InferenceException(InferenceError.InvalidArgument, $"{field} is not a JSON {(kind == JsonValueKind.Array ? "array" : "object")}.", field);
        }
        catch (JsonException exception)
        {
            throw new InferenceException(InferenceError.InvalidArgument, $"{field} is not valid JSON: {exception.Message}", field, exception);
        }
    }
}
