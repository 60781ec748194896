using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Gateway.Responses.Search;
using HelixFlow.Gateway.VectorStores;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Responses;

/// <content>The calls of "file_search", and what the text cites of their results.</content>
internal sealed partial class ResponseEvents
{
    // Of a response that does not say how many: a model that only searches must come to an end.
    private const int MostSearches = 16;

    private readonly CitationReader _citations = new();
    private readonly List<CitedPiece> _pieces = [];
    private List<SearchOutput> _searches = []; // whose arguments are whole
    private IReadOnlyList<SearchResult> _sources = [];
    private int _before; // items of the output that earlier rounds of the model have made
    private bool _isIgnoring; // a call that is one too many

    /// <summary>Whether no more searches may be made.</summary>
    public bool HasSearchedEnough => response.Output.Count(static item => item is SearchOutput) >= (response.Request.MaxToolCalls ?? MostSearches);

    /// <summary>Whether the model goes on when its searches are answered: it has called nothing that its client must answer.</summary>
    public bool GoesOn => _reason != FinishReason.Length && (_isIgnoring || Round.Any(static item => item is SearchOutput)) && !Round.Any(static item => item is CallOutput);

    private IEnumerable<OutputItem> Round => response.Output.Skip(_before);

    /// <summary>The model begins, or goes on with what its searches have found.</summary>
    /// <param name="sources">What its text may cite, by their numbers from 1.</param>
    public void BeginRound(IReadOnlyList<SearchResult> sources)
    {
        _sources = sources;
        _before = response.Output.Count;
        _isIgnoring = false;
    }

    /// <summary>The answer is as long as it may become.</summary>
    public void Cut() => _reason = FinishReason.Length;

    /// <summary>The searches that the model has asked for.</summary>
    public List<SearchOutput> TakeSearches()
    {
        (List<SearchOutput> taken, _searches) = (_searches, []);
        return taken;
    }

    /// <summary>A search begins.</summary>
    public void BeginSearch(SearchOutput search) => EmitOf(search, "response.file_search_call.searching");

    /// <summary>A search has ended.</summary>
    /// <param name="search">With its queries and results.</param>
    /// <param name="status">completed, incomplete or failed.</param>
    public void EndSearch(SearchOutput search, string status)
    {
        search.Status = status;
        if (status == "completed")
        {
            EmitOf(search, "response.file_search_call.completed");
        }

        emit(Event(search, "response.output_item.done", static (json, search) =>
        {
            json.WriteNumber("output_index"u8, search.Index);
            json.WritePropertyName("item"u8);
            search.Write(json);
        }));
    }

    private bool IsSearch(string name) => name == FileSearchTool.Name && response.Request.Tools.Search is not null;

    private void OpenSearch()
    {
        if (HasSearchedEnough)
        {
            Close("completed");
            _isIgnoring = true;
            return;
        }

        var search = new SearchOutput(ObjectId.New("fs_"), response.Output.Count, response.Request.ShowsSearchResults);
        Open(search, hasPart: false);
        EmitOf(search, "response.file_search_call.in_progress");
    }

    private void AddCitedText(string text)
    {
        _pieces.Clear();
        _citations.Add(text, _sources.Count, _pieces);
        foreach (CitedPiece piece in _pieces)
        {
            if (piece.Text.Length > 0)
            {
                TellText(piece.Text);
            }

            foreach (int number in piece.Sources)
            {
                Cite(_sources[number - 1]);
            }
        }
    }

    private void Cite(SearchResult source)
    {
        var message = (MessageOutput)_open!;
        message.Citations.Add(new FileCitation(source.FileId, source.Filename, message.Text.ToString().EnumerateRunes().Count()));
        Emit(new Piece("response.output_text.annotation.added", ""), static (json, self, _) =>
        {
            List<FileCitation> citations = ((MessageOutput)self._open!).Citations;
            self.WritePlace(json, withPart: true);
            json.WriteNumber("annotation_index"u8, citations.Count - 1);
            json.WritePropertyName("annotation"u8);
            citations[^1].Write(json);
        });
    }

    private void EmitOf(SearchOutput search, string type) => emit(Event(search, type, static (json, search) =>
    {
        json.WriteString("item_id"u8, search.Id);
        json.WriteNumber("output_index"u8, search.Index);
    }));
}
