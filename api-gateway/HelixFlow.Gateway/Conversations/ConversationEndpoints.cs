using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Gateway.Streaming;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace HelixFlow.Gateway.Conversations;

/// <summary><c>/v1/conversations</c>: items that responses answer and add to.</summary>
internal sealed class ConversationEndpoints(ConversationStore conversations, ResponseReader reader, GatewayOptions options, TimeProvider time)
{
    private const int MostItemsAtOnce = 20;

    public static void Map(RouteGroupBuilder api)
    {
        api.MapPost("/conversations", static (HttpContext context, ConversationEndpoints endpoints) => endpoints.CreateAsync(context));
        api.MapGet("/conversations/{id}", static (HttpContext context, string id, ConversationEndpoints endpoints) => endpoints.GetAsync(context, id));
        api.MapPost("/conversations/{id}", static (HttpContext context, string id, ConversationEndpoints endpoints) => endpoints.UpdateAsync(context, id));
        api.MapDelete("/conversations/{id}", static (HttpContext context, string id, ConversationEndpoints endpoints) => endpoints.DeleteAsync(context, id));
        api.MapPost("/conversations/{id}/items", static (HttpContext context, string id, ConversationEndpoints endpoints) => endpoints.AddItemsAsync(context, id));
        api.MapGet("/conversations/{id}/items", static (HttpContext context, string id, ConversationEndpoints endpoints) => endpoints.ItemsAsync(context, id));
        api.MapGet("/conversations/{id}/items/{item}", static (HttpContext context, string id, string item, ConversationEndpoints endpoints) => endpoints.GetItemAsync(context, id, item));
        api.MapDelete("/conversations/{id}/items/{item}", static (HttpContext context, string id, string item, ConversationEndpoints endpoints) => endpoints.DeleteItemAsync(context, id, item));
    }

    private async Task CreateAsync(HttpContext context)
    {
        string project = BearerKey.ProjectOf(context);
        string metadata;
        IReadOnlyList<StoredItem> items;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            metadata = MetadataField.Read(fields) ?? "{}";
            items = fields.Array("items") is { } array ? await ReadItemsAsync(array, project, context.RequestAborted) : [];
        }

        var conversation = new StoredConversation(ObjectId.New("conv_"), time.GetUtcNow().ToUnixTimeSeconds(), metadata);
        await conversations.InsertAsync(project, conversation, items, context.RequestAborted);
        await JsonResponse.WriteAsync(context, conversation, Write);
    }

    private async Task GetAsync(HttpContext context, string id) => await JsonResponse.WriteAsync(context, await FindAsync(context, id), Write);

    private async Task UpdateAsync(HttpContext context, string id)
    {
        string metadata;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            metadata = MetadataField.Read(fields) ?? (body.RootElement.TryGetProperty("metadata", out _) ? "{}" : throw fields.Missing("metadata"));
        }

        StoredConversation conversation = await conversations.UpdateAsync(BearerKey.ProjectOf(context), id, metadata, context.RequestAborted)
            ?? throw new OpenAiException(OpenAiError.ConversationNotFound(id));
        await JsonResponse.WriteAsync(context, conversation, Write);
    }

    private async Task DeleteAsync(HttpContext context, string id)
    {
        if (!await conversations.DeleteAsync(BearerKey.ProjectOf(context), id, context.RequestAborted))
        {
            throw new OpenAiException(OpenAiError.ConversationNotFound(id));
        }

        await DeletedJson.WriteAsync(context, id, "conversation.deleted");
    }

    private async Task AddItemsAsync(HttpContext context, string id)
    {
        string project = BearerKey.ProjectOf(context);
        IReadOnlyList<StoredItem> items;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            items = await ReadItemsAsync(fields.Array("items") ?? throw fields.Missing("items"), project, context.RequestAborted);
        }

        if (!await conversations.AddAsync(project, id, items, context.RequestAborted))
        {
            throw new OpenAiException(OpenAiError.ConversationNotFound(id));
        }

        await ListJson.WriteAsync(context, new Page<StoredItem>(items, HasMore: false));
    }

    private async Task ItemsAsync(HttpContext context, string id)
    {
        PageQuery page = PageQuery.Read(context.Request, newestFirst: true);
        await ListJson.WriteAsync(context, page.Of(await ReadItemsAsync(context, id), static item => item.Id));
    }

    private async Task GetItemAsync(HttpContext context, string id, string item)
    {
        StoredItem found = (await ReadItemsAsync(context, id)).Find(candidate => candidate.Id == item) ?? throw new OpenAiException(OpenAiError.ItemNotFound(item));
        found = SearchItems.Shown(found, SearchItems.AreAskedFor(context.Request));
        await JsonResponse.WriteAsync(context, found, static (json, found) => json.WriteRawValue(found.Json, skipInputValidation: true));
    }

    private async Task DeleteItemAsync(HttpContext context, string id, string item)
    {
        StoredConversation conversation = await FindAsync(context, id);
        if (!await conversations.DeleteItemAsync(id, item, context.RequestAborted))
        {
            throw new OpenAiException(OpenAiError.ItemNotFound(item));
        }

        await JsonResponse.WriteAsync(context, conversation, Write);
    }

    private async Task<StoredConversation> FindAsync(HttpContext context, string id) =>
        await conversations.FindAsync(BearerKey.ProjectOf(context), id, context.RequestAborted) ?? throw new OpenAiException(OpenAiError.ConversationNotFound(id));

    private async Task<List<StoredItem>> ReadItemsAsync(HttpContext context, string id) =>
        await conversations.ItemsAsync(BearerKey.ProjectOf(context), id, context.RequestAborted) ?? throw new OpenAiException(OpenAiError.ConversationNotFound(id));

    private async Task<IReadOnlyList<StoredItem>> ReadItemsAsync(JsonElement array, string project, CancellationToken cancellationToken) => array.GetArrayLength() <= MostItemsAtOnce
        ? await reader.ItemsAsync(project, array, "items", cancellationToken)
        : throw RequestFields.Invalid(
            "items",
            string.Create(CultureInfo.InvariantCulture, $"Invalid 'items': array too long. Expected an array with maximum length {MostItemsAtOnce}, but got an array with length {array.GetArrayLength()} instead."),
            "array_above_max_length");

    private static void Write(Utf8JsonWriter json, StoredConversation conversation)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, conversation.Id);
        json.WriteString("object"u8, "conversation"u8);
        json.WriteNumber("created_at"u8, conversation.CreatedAt);
        json.WritePropertyName("metadata"u8);
        json.WriteRawValue(conversation.MetadataJson, skipInputValidation: true);
        json.WriteEndObject();
    }
}
