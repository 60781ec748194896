using System.Text.Json;
using HelixFlow.Gateway.Conversations;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Files;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Items;

namespace HelixFlow.Gateway.Responses;

/// <summary>Reads requests for responses, and what is stored that they refer to. Thread-safe.</summary>
internal sealed class ResponseReader(ResponseStore responses, ConversationStore conversations, FileStore files, GatewayOptions options)
{
    /// <summary>A request, with the texts of the files that it names.</summary>
    /// <param name="project">Whose it is.</param>
    /// <param name="body">The request.</param>
    /// <param name="model">The model when the body names none; null: it must.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="OpenAiException">A field is missing, of the wrong type, out of range, or cannot be honoured; or a file is not there.</exception>
    public async Task<ResponseRequest> RequestAsync(string project, JsonElement body, string? model, CancellationToken cancellationToken) =>
        ResponseRequest.Parse(body, options, await InputFiles.ReadAsync(files, project, body, options.MaxBodyBytes, cancellationToken), model);

    /// <summary>A request that was read before and is run again: its items are stored.</summary>
    /// <exception cref="OpenAiException">It is not valid any more.</exception>
    public ResponseRequest Again(JsonElement body) => ResponseRequest.Parse(body, options, InputFiles.Known);

    /// <summary>Items that a client adds to a conversation.</summary>
    /// <exception cref="OpenAiException">One is malformed, or refers to what is not there.</exception>
    public async Task<IReadOnlyList<StoredItem>> ItemsAsync(string project, JsonElement items, string param, CancellationToken cancellationToken) => await ResolveAsync(
        project, InputItems.Read(items, param, await InputFiles.ReadAsync(files, project, items, options.MaxBodyBytes, cancellationToken)), cancellationToken);

    /// <summary>Collects the items that a request builds on.</summary>
    /// <exception cref="OpenAiException">Something that the request refers to is not there, or still in progress.</exception>
    public async Task<ResponseContext> ContextAsync(string project, ResponseRequest request, CancellationToken cancellationToken)
    {
        IReadOnlyList<StoredItem> before = [];
        if (request.PreviousResponse is { } previous)
        {
            before = await PreviousAsync(project, previous, cancellationToken);
        }
        else if (request.Conversation is { } conversation)
        {
            before = await conversations.ItemsAsync(project, conversation, cancellationToken) ?? throw new OpenAiException(OpenAiError.ConversationNotFound(conversation));
        }

        return new ResponseContext(before, await ResolveAsync(project, request.Input, cancellationToken));
    }

    /// <summary>Items with those that were only referred to.</summary>
    /// <exception cref="OpenAiException">One is not there.</exception>
    public async Task<IReadOnlyList<StoredItem>> ResolveAsync(string project, IReadOnlyList<StoredItem> items, CancellationToken cancellationToken)
    {
        if (!items.Any(item => item.IsReference))
        {
            return items;
        }

        var resolved = new List<StoredItem>();
        foreach (StoredItem item in items)
        {
            resolved.Add(!item.IsReference ? item : await responses.FindItemAsync(project, item.Id, cancellationToken)
                ?? throw new OpenAiException(OpenAiError.ItemNotFound(item.Id, "input")));
        }

        return resolved;
    }

    private async Task<IReadOnlyList<StoredItem>> PreviousAsync(string project, string previous, CancellationToken cancellationToken)
    {
        StoredResponse? stored = await responses.FindAsync(project, previous, cancellationToken);
        if (stored is { Status: "queued" or "in_progress" })
        {
            throw RequestFields.Invalid("previous_response_id", $"Previous response with id '{previous}' is still in progress.", "previous_response_in_progress");
        }

        return (stored is null ? null : await responses.ContextAsync(project, previous, cancellationToken))
            ?? throw RequestFields.Invalid("previous_response_id", $"Previous response with id '{previous}' not found.", "previous_response_not_found");
    }
}
