using System.Text.Json;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>A JSON value that knows its file and its place in it, so that every complaint names both.</summary>
internal readonly struct JsonField
{
    private readonly JsonElement _value;

    public JsonField(string file, string place, JsonElement value)
    {
        File = file;
        Place = place;
        _value = value;
    }

    public string File { get; }

    /// <summary>Property names from the root, such as <c>model.vocab</c>.</summary>
    public string Place { get; }

    public JsonValueKind Kind => _value.ValueKind;

    public JsonField Require(string name) =>
        Find(name) ?? throw Error($"needs the property \"{name}\"");

    /// <summary>The property, or null when it is absent or null.</summary>
    public JsonField? Find(string name)
    {
        Expect(JsonValueKind.Object, "an object");
        return _value.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? Child(name, value) : null;
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
        var index = 0;
        foreach (var item in _value.EnumerateArray())
        {
            yield return new JsonField(File, $"{Place}[{index++}]", item);
        }
    }

    public IEnumerable<(string Name, JsonField Value)> Properties()
    {
        Expect(JsonValueKind.Object, "an object");
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

            yield return (name, Child(name, property.Value));
        }
    }

    public ModelFormatException Error(string reason, Exception? inner = null) =>
        new(File, null, $"{(Place.Length == 0 ? "the document" : Place)} {reason}", inner);

    private JsonField Child(string name, JsonElement value) => new(File, Place.Length == 0 ? name : $"{Place}.{name}", value);

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
