using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Gateway.Sockets;
using HelixFlow.Gateway.Streaming;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Primitives;

namespace HelixFlow.Gateway.StoredCompletions;

/// <summary><c>/v1/chat/completions</c> beyond creating them: those that were created with "store", and their messages.</summary>
internal sealed class StoredCompletionEndpoints(CompletionStore store, GatewayOptions options)
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/chat/completions", static (HttpContext context, StoredCompletionEndpoints endpoints, SocketEndpoints sockets) =>
            context.WebSockets.IsWebSocketRequest ? sockets.OpenChatAsync(context) : endpoints.ListAsync(context));
        api.MapGet("/chat/completions/{id}", static (HttpContext context, string id, StoredCompletionEndpoints endpoints) => endpoints.GetAsync(context, id));
        api.MapPost("/chat/completions/{id}", static (HttpContext context, string id, StoredCompletionEndpoints endpoints) => endpoints.UpdateAsync(context, id));
        api.MapDelete("/chat/completions/{id}", static (HttpContext context, string id, StoredCompletionEndpoints endpoints) => endpoints.DeleteAsync(context, id));
        api.MapGet("/chat/completions/{id}/messages", static (HttpContext context, string id, StoredCompletionEndpoints endpoints) => endpoints.MessagesAsync(context, id));
    }

    private async Task ListAsync(HttpContext context)
    {
        PageQuery query = PageQuery.Read(context.Request, newestFirst: false);
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach ((string name, StringValues values) in context.Request.Query)
        {
            if (name.StartsWith("metadata[", StringComparison.Ordinal) && name.EndsWith(']'))
            {
                metadata[name["metadata[".Length..^1]] = values.ToString();
            }
        }

        Page<StoredCompletion> page = await store.ListAsync(
            BearerKey.ProjectOf(context), query, context.Request.Query["model"] is [{ Length: > 0 } model] ? model : null, metadata, context.RequestAborted)
            ?? throw PageQuery.UnknownAfter(query.After!);
        await ListJson.WriteAsync(context, new Page<StoredItem>([.. page.Items.Select(Show)], page.HasMore));
    }

    private async Task GetAsync(HttpContext context, string id) => await WriteAsync(context, await FindAsync(context, id));

    private async Task UpdateAsync(HttpContext context, string id)
    {
        string metadata;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            metadata = MetadataField.Read(fields) ?? (body.RootElement.TryGetProperty("metadata", out _) ? "{}" : throw fields.Missing("metadata"));
        }

        await WriteAsync(context, await store.UpdateAsync(BearerKey.ProjectOf(context), id, metadata, context.RequestAborted) ?? throw new OpenAiException(OpenAiError.CompletionNotFound(id)));
    }

    private async Task DeleteAsync(HttpContext context, string id)
    {
        if (!await store.DeleteAsync(BearerKey.ProjectOf(context), id, context.RequestAborted))
        {
            throw new OpenAiException(OpenAiError.CompletionNotFound(id));
        }

        await DeletedJson.WriteAsync(context, id, "chat.completion.deleted");
    }

    private async Task MessagesAsync(HttpContext context, string id)
    {
        PageQuery query = PageQuery.Read(context.Request, newestFirst: false);
        StoredCompletion completion = await FindAsync(context, id);
        using JsonDocument messages = JsonDocument.Parse(completion.Messages);
        var items = new List<StoredItem>();
        foreach (JsonElement message in messages.RootElement.EnumerateArray())
        {
            string messageId = string.Create(CultureInfo.InvariantCulture, $"{id}-{items.Count}");
            items.Add(new StoredItem(messageId, JsonText.Of((messageId, message), static (json, state) => WriteMessage(json, state.messageId, state.message))));
        }

        await ListJson.WriteAsync(context, query.Of(items, static item => item.Id));
    }

    // {"id", "role", "content" as one text, "content_parts" if it had parts, "name", "refusal", and whatever else the message has}
    private static void WriteMessage(Utf8JsonWriter json, string id, JsonElement message)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, id);
        json.WriteString("role"u8, message.GetProperty("role").GetString());
        bool hasContent = message.TryGetProperty("content", out JsonElement content);
        bool hasParts = hasContent && content.ValueKind == JsonValueKind.Array;
        json.WriteString("content"u8, hasParts ? string.Concat(content.EnumerateArray().Select(static part => part.TryGetProperty("text", out JsonElement text) ? text.GetString() : null)) : hasContent ? content.GetString() : null);
        json.WritePropertyName("content_parts"u8);
        if (hasParts)
        {
            content.WriteTo(json);
        }
        else
        {
            json.WriteNullValue();
        }

        json.WriteString("name"u8, message.TryGetProperty("name", out JsonElement name) ? name.GetString() : null);
        json.WriteString("refusal"u8, message.TryGetProperty("refusal", out JsonElement refusal) ? refusal.GetString() : null);
        foreach (JsonProperty property in message.EnumerateObject())
        {
            if (property.Name is not ("id" or "role" or "content" or "content_parts" or "name" or "refusal"))
            {
                property.WriteTo(json);
            }
        }

        json.WriteEndObject();
    }

    private async Task<StoredCompletion> FindAsync(HttpContext context, string id) =>
        await store.FindAsync(BearerKey.ProjectOf(context), id, context.RequestAborted) ?? throw new OpenAiException(OpenAiError.CompletionNotFound(id));

    private static Task WriteAsync(HttpContext context, StoredCompletion completion) =>
        JsonResponse.WriteAsync(context, Show(completion), static (json, shown) => json.WriteRawValue(shown.Json, skipInputValidation: true));

    private static StoredItem Show(StoredCompletion completion)
    {
        using JsonDocument body = JsonDocument.Parse(completion.Body);
        return new StoredItem(completion.Id, JsonText.Of((body, completion.MetadataJson), static (json, state) =>
        {
            json.WriteStartObject();
            foreach (JsonProperty property in state.body.RootElement.EnumerateObject())
            {
                property.WriteTo(json);
            }

            json.WritePropertyName("metadata"u8);
            json.WriteRawValue(state.MetadataJson, skipInputValidation: true);
            json.WriteEndObject();
        }));
    }
}
