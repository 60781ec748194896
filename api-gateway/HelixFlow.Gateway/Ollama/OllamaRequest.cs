using System.Text.Json;
using HelixFlow.Gateway.ChatCompletions;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Ollama;

/// <summary>A parsed and checked body of <c>POST /api/chat</c> or <c>POST /api/generate</c>.</summary>
/// <param name="Model">The model, under the name that the client gave it.</param>
/// <param name="IsChat">Whether the answer is a message, as that of <c>/api/chat</c> is.</param>
/// <param name="Stream">Whether the answer comes in pieces.</param>
/// <param name="Generate">What to ask the inference service; null when there is nothing to answer and the model is only to be loaded.</param>
/// <param name="Unload">Whether the model is to be unloaded instead.</param>
/// <param name="Constraint">Where the body says what the answer must look like; null when it does not.</param>
internal sealed record OllamaRequest(string Model, bool IsChat, bool Stream, GenerateRequest? Generate, bool Unload, ConstraintSource? Constraint)
{
    /// <summary>Reads a request's body. Its type is not looked at: Ollama's own examples send it as curl does by itself, as a form.</summary>
    /// <exception cref="OpenAiException">The body is not one JSON object within the limits.</exception>
    public static ValueTask<JsonDocument> ReadBodyAsync(HttpContext context, GatewayOptions options) => RequestBody.ReadAsync(context, options, ofAnyType: true);

    /// <exception cref="OpenAiException">A field is of the wrong type, out of range, or cannot be honoured.</exception>
    public static OllamaRequest ParseChat(RequestFields fields, ModelDescription model)
    {
        string messages = fields.Array("messages") is { } array && array.GetArrayLength() > 0 ? OllamaMessages.ToChat(array) : "";
        var generate = new GenerateRequest
        {
            Model = model.Name,
            Chat = new ChatPrompt { MessagesJson = messages, TemplateVariablesJson = OllamaOptions.Think(fields, model) },
        };
        ConstraintSource? constraint = OllamaOptions.Read(fields, generate);
        if (fields.Array("tools") is { } tools && tools.GetArrayLength() > 0)
        {
            ToolFields.Read(fields, generate.Chat);
        }

        return Create(fields, isChat: true, isLoad: messages.Length == 0, generate, constraint);
    }

    /// <exception cref="OpenAiException">A field is of the wrong type, out of range, or cannot be honoured.</exception>
    public static OllamaRequest ParseGenerate(RequestFields fields, ModelDescription model)
    {
        RefuseWhatIsNotThere(fields);
        string prompt = fields.String("prompt") ?? "";
        string system = fields.String("system") ?? "";
        bool raw = fields.Bool("raw");
        if (raw && system.Length > 0)
        {
            throw RequestFields.Invalid("raw", "raw mode does not support template, system, or context", "invalid_value");
        }

        var generate = new GenerateRequest { Model = model.Name };
        if (raw)
        {
            generate.Text = prompt;
        }
        else if (!model.Chat)
        {
            generate.Text = system.Length == 0 ? prompt : throw fields.Unsupported("system", "is not supported: the model has no chat template.");
        }
        else
        {
            generate.Chat = new ChatPrompt { MessagesJson = JsonText.Of((system, prompt), Write), TemplateVariablesJson = OllamaOptions.Think(fields, model) };
        }

        return Create(fields, isChat: false, isLoad: prompt.Length == 0, generate, OllamaOptions.Read(fields, generate));
    }

    // A request without anything to answer is read like any other first, so that what is wrong with it is refused all the same.
    private static OllamaRequest Create(RequestFields fields, bool isChat, bool isLoad, GenerateRequest generate, ConstraintSource? constraint)
    {
        bool isZero = OllamaOptions.IsKeptAliveForNoTime(fields);
        return new OllamaRequest(OllamaModels.NameOf(fields), isChat, OllamaOptions.Stream(fields), isLoad ? null : generate, isLoad && isZero, isLoad ? null : constraint);
    }

    private static void RefuseWhatIsNotThere(RequestFields fields)
    {
        OllamaMessages.RefuseImages(fields, "images");
        if (fields.String("template") is { Length: > 0 })
        {
            throw fields.Unsupported("template", "is not supported: this server uses the model's own template.");
        }

        if (fields.String("suffix") is { Length: > 0 })
        {
            throw fields.Unsupported("suffix", "is not supported: this server does not fill gaps in a text.");
        }

        if (fields.Array("context") is { } context && context.GetArrayLength() > 0)
        {
            throw fields.Unsupported("context", "is not supported: use /api/chat for conversations; what they have in common with earlier ones is not computed again.");
        }
    }

    private static void Write(Utf8JsonWriter json, (string System, string Prompt) texts)
    {
        json.WriteStartArray();
        if (texts.System.Length > 0)
        {
            json.WriteStartObject();
            json.WriteString("role"u8, "system"u8);
            json.WriteString("content"u8, texts.System);
            json.WriteEndObject();
        }

        json.WriteStartObject();
        json.WriteString("role"u8, "user"u8);
        json.WriteString("content"u8, texts.Prompt);
        json.WriteEndObject();
        json.WriteEndArray();
    }
}
