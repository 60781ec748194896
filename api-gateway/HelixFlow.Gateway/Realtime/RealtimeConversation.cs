using System.Globalization;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Gateway.Sockets;

namespace HelixFlow.Gateway.Realtime;

/// <summary>The items of a Realtime session in their order. Used by one thread at a time; lasts as long as its socket.</summary>
internal sealed class RealtimeConversation(SocketOptions options)
{
    // Where an item goes that is to be the first.
    private const string Root = "root";

    private readonly List<StoredItem> _items = [];
    private long _bytes;

    public string Id { get; } = ObjectId.New("conv_");

    public IReadOnlyList<StoredItem> Items => _items;

    /// <summary>The item of an id.</summary>
    /// <exception cref="OpenAiException">There is none.</exception>
    public StoredItem Find(string id, string param) => _items.Find(item => item.Id == id) ?? throw NotFound(id, param);

    /// <summary>Adds an item.</summary>
    /// <param name="item">The item.</param>
    /// <param name="after">The id of the one that it follows, "root" for the beginning, null for the end.</param>
    /// <returns>The id of the item before it; null for none.</returns>
    /// <exception cref="OpenAiException">There is one of its id, none to follow, or no room.</exception>
    public string? Insert(StoredItem item, string? after)
    {
        if (_items.Exists(known => known.Id == item.Id))
        {
            throw RequestFields.Invalid("item.id", $"Error adding item: an item with id '{item.Id}' is in the conversation already.", "item_create_duplicate_id");
        }

        if (_items.Count >= options.MaxItems || _bytes + item.Json.Length > options.MaxConversationBytes)
        {
            throw new OpenAiException(OpenAiError.Invalid(
                string.Create(CultureInfo.InvariantCulture, $"The conversation is full: it may have {options.MaxItems} items of together {options.MaxConversationBytes} bytes. Delete some, or open another session."),
                "item",
                "conversation_full"));
        }

        int place = after switch
        {
            null => _items.Count,
            Root => 0,
            _ => _items.FindIndex(known => known.Id == after) + 1,
        };
        if (place == 0 && after is not Root and not null)
        {
            throw RequestFields.Invalid("previous_item_id", $"Error adding item: the previous item with id '{after}' does not exist.", "item_create_invalid_previous_item");
        }

        _items.Insert(place, item);
        _bytes += item.Json.Length;
        return place == 0 ? null : _items[place - 1].Id;
    }

    /// <summary>Puts an item in the place of the one with its id; false when that was deleted.</summary>
    /// <param name="item">The item.</param>
    /// <param name="previous">The id of the item before it; null for none.</param>
    public bool TryReplace(StoredItem item, out string? previous)
    {
        int place = _items.FindIndex(known => known.Id == item.Id);
        previous = place > 0 ? _items[place - 1].Id : null;
        if (place < 0)
        {
            return false;
        }

        _bytes += item.Json.Length - _items[place].Json.Length;
        _items[place] = item;
        return true;
    }

    /// <exception cref="OpenAiException">There is no such item.</exception>
    public void Delete(string id)
    {
        StoredItem item = Find(id, "item_id");
        _items.Remove(item);
        _bytes -= item.Json.Length;
    }

    private static OpenAiException NotFound(string id, string param) =>
        RequestFields.Invalid(param, $"Item with item_id '{id}' does not exist.", "item_not_found");
}
