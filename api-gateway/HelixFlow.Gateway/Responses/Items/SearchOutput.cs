using System.Text.Json;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Gateway.VectorStores;

namespace HelixFlow.Gateway.Responses.Items;

/// <summary>A call of the tool "file_search", which the server answers. Its text is the arguments that the model gives.</summary>
/// <param name="id">Its id.</param>
/// <param name="index">Its place in the response's output.</param>
/// <param name="showsResults">Whether the client asked for what was found; what is stored has it in any case.</param>
internal sealed class SearchOutput(string id, int index, bool showsResults) : OutputItem(id)
{
    public int Index { get; } = index;

    public IReadOnlyList<string> Queries { get; set; } = [];

    /// <summary>Best first; null until it has been searched, and when it could not be.</summary>
    public IReadOnlyList<SearchResult>? Results { get; set; }

    public override StoredItem ToStored() => new(Id, JsonText.Of(this, static (json, call) => SearchItems.Write(json, call.Id, call.Status, call.Queries, call.Results)));

    protected override void Write(Utf8JsonWriter json, bool isEmpty) => SearchItems.Write(json, Id, Status, isEmpty ? [] : Queries, showsResults && !isEmpty ? Results : null);
}
