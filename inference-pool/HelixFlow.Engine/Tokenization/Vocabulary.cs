using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Tokenization;

/// <summary>Token texts by id and ids by text. Immutable after loading; ids may have gaps.</summary>
internal sealed class Vocabulary
{
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly int _capacity;
    private string?[] _texts;

    /// <param name="capacity">How many tokens the file has, about.</param>
    public Vocabulary(int capacity)
    {
        _capacity = capacity;
        _ids = new Dictionary<string, int>(capacity, StringComparer.Ordinal);
        _lookup = _ids.GetAlternateLookup<ReadOnlySpan<char>>();
        _texts = new string?[capacity];
    }

    /// <summary>The largest id plus one.</summary>
    public int Size { get; private set; }

    /// <summary>The text as the file writes it, or null for an id without a token.</summary>
    public string? this[int id] => (uint)id < (uint)Size ? _texts[id] : null;

    public int Find(ReadOnlySpan<char> text) => _lookup.TryGetValue(text, out var id) ? id : -1;

    /// <summary>Adds a token. A text that comes twice keeps its first id, as the ids of other implementations do.</summary>
    public void Add(string text, int id, string file, string place)
    {
        // A file may leave gaps, but must not make us allocate for ids that it does not use.
        var limit = 65_536 + (4L * Math.Max(_capacity, _ids.Count));
        if (id < 0 || id >= limit)
        {
            throw new ModelFormatException(file, null, $"{place}: the id {id} of \"{text}\" is outside the vocabulary");
        }

        if (id >= _texts.Length)
        {
            Array.Resize(ref _texts, (int)Math.Min(limit, Math.Max(id + 1, _texts.Length * 2L)));
        }

        if (_texts[id] is { } other && other != text)
        {
            throw new ModelFormatException(file, null, $"{place}: \"{text}\" and \"{other}\" both have the id {id}");
        }

        _texts[id] = text;
        _ids.TryAdd(text, id);
        Size = Math.Max(Size, id + 1);
    }
}
