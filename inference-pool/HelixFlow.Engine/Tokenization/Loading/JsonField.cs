using System.Globalization;
using System.Text.Json;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>A JSON value that knows its file and its place in it, so that every complaint names both.</summary>
internal readonly struct JsonField
{
    private const int None = -1;

    // The place is put together only for a message: lists of merges have hundreds of thousands of items.
    private readonly string _parent;
    private readonly string _name;
    private readonly int _index;
    private readonly int _innerIndex;
    private readonly JsonElement _value;

    public JsonField(string file, JsonElement root)
        : this(file, "", "", None, None, root)
    {
    }

    private JsonField(string file, string parent, string name, int index, int innerIndex, JsonElement value)
    {
        File = file;
        _parent = parent;
        _name = name;
        _index = index;
        _innerIndex = innerIndex;
        _value = value;
    }

    public string File { get; }

    /// <summary>Property names from the root, such as <c>model.vocab</c>.</summary>
    public string Place =>
        _parent + (_parent.Length > 0 && _name.Length > 0 ? "." : "") + _name
        + (_index == None ? "" : string.Create(CultureInfo.InvariantCulture, $"[{_index}]"))
        + (_innerIndex == None ? "" : string.Create(CultureInfo.InvariantCulture, $"[{_innerIndex}]"));

    public JsonValueKind Kind => _value.ValueKind;

    public JsonField Require(string name) =>
        Find(name) ?? throw Error($"needs the property \"{name}\"");

    /// <summary>The property, or null when it is absent or null.</summary>
    public JsonField? Find(string name)
    {
        Expect(JsonValueKind.Object, "an object");
        return _value.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? Child(Place, name, value) : null;
    }

    public string? FindString(string name) => Find(name)?.AsString();

    public bool FindBoolean(string name, bool otherwise) => Find(name)?.AsBoolean() ?? otherwise;

    public string AsString()
    {
        Expect(JsonValueKind.String, "a string");
        try
        {
            return _value.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw Error("is not valid Unicode", exception);
        }
    }

    public bool AsBoolean() => Kind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Error($"should be true or false, not {Describe(Kind)}"),
    };

    public int AsInt32(int minimum = 0, int maximum = int.MaxValue)
    {
        Expect(JsonValueKind.Number, "a number");
        return _value.TryGetInt32(out var number) && number >= minimum && number <= maximum
            ? number
            : throw Error($"is {_value.GetRawText()}; it should be a whole number from {minimum} to {maximum}");
    }

    public double AsDouble()
    {
        Expect(JsonValueKind.Number, "a number");
        return _value.TryGetDouble(out var number) && double.IsFinite(number) ? number : throw Error("is not a finite number");
    }

    public char AsChar() => AsString() is { Length: 1 } text ? text[0] : throw Error("should be one character");

    public int Count
    {
        get
        {
            Expect(JsonValueKind.Array, "a list");
            return _value.GetArrayLength();
        }
    }

    public IEnumerable<JsonField> Items()
    {
        Expect(JsonValueKind.Array, "a list");
        var place = Place;
        var index = 0;
        foreach (var item in _value.EnumerateArray())
        {
            yield return new JsonField(File, place, "", index++, None, item);
        }
    }

    /// <summary>The two items of a list that should have two.</summary>
    public (JsonField First, JsonField Second) AsPair()
    {
        if (Count != 2)
        {
            throw Error("should be a list of two");
        }

        var (parent, index) = _innerIndex == None && _index != None ? (_parent, _index) : (Place, None);
        return (new JsonField(File, parent, "", index, 0, _value[0]), new JsonField(File, parent, "", index, 1, _value[1]));
    }

    public IEnumerable<(string Name, JsonField Value)> Properties()
    {
        Expect(JsonValueKind.Object, "an object");
        var place = Place;
        foreach (var property in _value.EnumerateObject())
        {
            string name;
            try
            {
                name = property.Name;
            }
            catch (InvalidOperationException exception)
            {
                throw Error("has a property name that is not valid Unicode", exception);
            }

            yield return (name, Child(place, name, property.Value));
        }
    }

    public ModelFormatException Error(string reason, Exception? inner = null) =>
        new(File, null, $"{(Place.Length == 0 ? "the document" : Place)} {reason}", inner);

    private JsonField Child(string place, string name, JsonElement value) => new(File, place, name, None, None, value);

    private void Expect(JsonValueKind kind, string wanted)
    {
        if (Kind != kind)
        {
            throw Error($"should be {wanted}, not {Describe(Kind)}");
        }
    }

    private static string Describe(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "a truth value",
        _ => "nothing",
    };
}
