using HelixFlow.Gateway.Conversations;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Items;

namespace HelixFlow.Gateway.Responses;

/// <summary>All the items that a response answers.</summary>
/// <param name="Before">Those of the responses before it, or of its conversation.</param>
/// <param name="Input">Those of the request, with what it only referred to.</param>
internal sealed record ResponseContext(IReadOnlyList<StoredItem> Before, IReadOnlyList<StoredItem> Input)
{
    /// <summary>Collects the items that a request builds on.</summary>
    /// <exception cref="OpenAiException">Something that the request refers to is not there, or still in progress.</exception>
    public static async Task<ResponseContext> ReadAsync(
        ResponseStore responses, ConversationStore conversations, string project, ResponseRequest request, CancellationToken cancellationToken)
    {
        IReadOnlyList<StoredItem> before = [];
        if (request.PreviousResponse is { } previous)
        {
            before = await ReadPreviousAsync(responses, project, previous, cancellationToken);
        }
        else if (request.Conversation is { } conversation)
        {
            before = await conversations.ItemsAsync(project, conversation, cancellationToken) ?? throw new OpenAiException(OpenAiError.ConversationNotFound(conversation));
        }

        return new ResponseContext(before, await ResolveAsync(responses, project, request.Input, cancellationToken));
    }

    /// <summary>Items with those that were only referred to.</summary>
    /// <exception cref="OpenAiException">One is not there.</exception>
    public static async Task<IReadOnlyList<StoredItem>> ResolveAsync(ResponseStore responses, string project, IReadOnlyList<StoredItem> items, CancellationToken cancellationToken)
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

    private static async Task<IReadOnlyList<StoredItem>> ReadPreviousAsync(ResponseStore responses, string project, string previous, CancellationToken cancellationToken)
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
