using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.ChatCompletions;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Files;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Tokens;

/// <summary><c>POST /tokenize</c>, in vLLM's form: the token ids of a text or of a conversation, exactly as a generation would run them.</summary>
internal sealed class TokenizeEndpoint(MeasuredPool pool, FileStore files, GatewayOptions options)
{
    public async Task HandleAsync(HttpContext context)
    {
        TokenizeRequest request;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            string model = await ModelField.ReadAsync(fields, pool, context.RequestAborted);
            InputFiles named = await InputFiles.ReadAsync(files, BearerKey.ProjectOf(context), body.RootElement, options.MaxBodyBytes, context.RequestAborted);
            request = Parse(fields, model, named);
        }

        TokenizeResponse answer;
        try
        {
            answer = await pool.TokenizeAsync(request, context.RequestAborted);
        }
        catch (InferenceException exception)
        {
            throw new OpenAiException(OpenAiError.Of(exception, "prompt"), exception);
        }

        await JsonResponse.WriteAsync(context, (request, answer), static (json, state) => Write(json, state.answer, state.request.WithTexts));
    }

    private static TokenizeRequest Parse(RequestFields fields, string model, InputFiles files)
    {
        var request = new TokenizeRequest { Model = model, WithTexts = fields.Bool("return_token_strs") };
        bool generationPrompt = Bool(fields, "add_generation_prompt", otherwise: true);
        string tools = Tools(fields);
        string variables = fields.Object("chat_template_kwargs") is not null && fields.TryGet("chat_template_kwargs", out JsonElement given) ? given.GetRawText() : "";
        if (fields.Array("messages") is not { } messages)
        {
            request.Text = fields.RequiredString("prompt");
            request.WithoutSpecial = !Bool(fields, "add_special_tokens", otherwise: true);
            return request;
        }

        if (fields.TryGet("prompt", out _))
        {
            throw RequestFields.Invalid("prompt", "Invalid 'prompt': give either 'prompt' or 'messages', not both.", "invalid_value");
        }

        if (fields.TryGet("chat_template", out _))
        {
            throw fields.Unsupported("chat_template", "is not supported: this server uses the model's own template.");
        }

        if (fields.Bool("continue_final_message"))
        {
            throw fields.Unsupported("continue_final_message", "is not supported by this server.");
        }

        ChatMessages.Check(messages, files);
        request.Chat = new ChatPrompt
        {
            MessagesJson = ChatMessages.Normalise(messages, files),
            ToolsJson = tools,
            TemplateVariablesJson = variables,
        };
        request.WithSpecial = fields.Bool("add_special_tokens");
        request.WithoutGenerationPrompt = !generationPrompt;
        return request;
    }

    // As they are: a template shows what it is given.
    private static string Tools(RequestFields fields)
    {
        if (fields.Array("tools") is not { } tools || tools.GetArrayLength() == 0)
        {
            return "";
        }

        int index = 0;
        foreach (JsonElement tool in tools.EnumerateArray())
        {
            if (tool.ValueKind != JsonValueKind.Object)
            {
                throw RequestFields.WrongType(string.Create(CultureInfo.InvariantCulture, $"tools[{index}]"), "an object", tool);
            }

            index++;
        }

        return tools.GetRawText();
    }

    private static bool Bool(RequestFields fields, string name, bool otherwise) => fields.TryGet(name, out _) ? fields.Bool(name) : otherwise;

    private static void Write(Utf8JsonWriter json, TokenizeResponse answer, bool withTexts)
    {
        json.WriteStartObject();
        json.WriteNumber("count"u8, answer.TokenIds.Count);
        json.WriteNumber("max_model_len"u8, answer.ContextLength);
        json.WriteStartArray("tokens"u8);
        foreach (int id in answer.TokenIds)
        {
            json.WriteNumberValue(id);
        }

        json.WriteEndArray();
        json.WritePropertyName("token_strs"u8);
        if (!withTexts)
        {
            json.WriteNullValue();
        }
        else
        {
            json.WriteStartArray();
            foreach (string text in answer.Texts)
            {
                json.WriteStringValue(text);
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }
}
