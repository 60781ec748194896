using System.Text.Json;

namespace HelixFlow.Agents.Catalog;

/// <summary>A JSON Schema (2020-12) in the keywords that job types use, with which inputs are checked before they are accepted.</summary>
/// <remarks>
/// Immutable. A schema with any other keyword is refused when it is read, not silently half obeyed. Known: type, properties, required,
/// additionalProperties, items, enum, const, anyOf, minLength, maxLength, minimum, maximum, exclusiveMinimum, exclusiveMaximum, minItems and maxItems;
/// title, description, default, examples and $schema are annotations.
/// </remarks>
public sealed class ValueSchema
{
    private static readonly HashSet<string> _annotations = new(StringComparer.Ordinal) { "title", "description", "default", "examples", "$schema" };
    private static readonly HashSet<string> _types = new(StringComparer.Ordinal) { "null", "boolean", "object", "array", "number", "integer", "string" };

    private readonly List<string> _type = [];
    private readonly Dictionary<string, ValueSchema> _properties = new(StringComparer.Ordinal);
    private readonly List<string> _required = [];
    private readonly List<ValueSchema> _anyOf = [];
    private readonly List<(string Keyword, double Limit)> _limits = [];
    private readonly JsonElement? _enum;
    private readonly JsonElement? _const;
    private readonly ValueSchema? _items;
    private readonly ValueSchema? _additional;
    private readonly bool _isFalse;

    private ValueSchema(JsonElement schema, string pointer, bool isStrict)
    {
        if (schema.ValueKind is JsonValueKind.True or JsonValueKind.False)
        {
            _isFalse = schema.ValueKind == JsonValueKind.False;
            return;
        }

        if (schema.ValueKind != JsonValueKind.Object)
        {
            throw Wrong(pointer, "must be an object, true or false");
        }

        foreach (JsonProperty keyword in schema.EnumerateObject())
        {
            string place = $"{pointer}/{keyword.Name}";
            JsonElement value = keyword.Value;
            switch (keyword.Name)
            {
                case "type":
                    _type.AddRange(value.ValueKind == JsonValueKind.Array ? Texts(value, place) : [Text(value, place)]);
                    _ = _type.TrueForAll(_types.Contains) ? true : throw Wrong(place, "names a type that there is not");
                    break;
                case "properties":
                    foreach (JsonProperty property in Members(value, place))
                    {
                        _properties.Add(property.Name, new ValueSchema(property.Value, $"{place}/{property.Name}", isStrict));
                    }

                    break;
                case "required" when !isStrict && value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0:
                    break; // written by many, and says nothing
                case "required":
                    _required.AddRange(Texts(value, place));
                    break;
                case "additionalProperties":
                    _additional = new ValueSchema(value, place, isStrict);
                    break;
                case "items":
                    _items = new ValueSchema(value, place, isStrict);
                    break;
                case "anyOf":
                    _anyOf.AddRange(Items(value, place).Select((item, i) => new ValueSchema(item, $"{place}/{i}", isStrict)));
                    break;
                case "enum":
                    _ = Items(value, place);
                    _enum = value.Clone();
                    break;
                case "const":
                    _const = value.Clone();
                    break;
                case "minLength" or "maxLength" or "minimum" or "maximum" or "exclusiveMinimum" or "exclusiveMaximum" or "minItems" or "maxItems":
                    _limits.Add((keyword.Name, value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Wrong(place, "must be a number")));
                    break;
                default:
                    _ = !isStrict || _annotations.Contains(keyword.Name) ? true : throw Wrong(place, "is no keyword that is checked here");
                    break;
            }
        }
    }

    /// <summary>Reads a schema.</summary>
    /// <exception cref="ArgumentException">It is wrong, or uses a keyword that is not known here; the message names its place.</exception>
    public static ValueSchema Parse(JsonElement schema) => new(schema, "", isStrict: true);

    /// <summary>Reads a schema of somebody else's, of which as much is checked as is known here: whoever it belongs to checks the rest.</summary>
    public static ValueSchema ParseKnown(JsonElement schema)
    {
        try
        {
            return new ValueSchema(schema, "", isStrict: false);
        }
        catch (ArgumentException)
        {
            return new ValueSchema(JsonElement.Parse("true"), "", isStrict: false);
        }
    }

    /// <summary>What is wrong with a value, with the places as JSON Pointers; empty when it satisfies the schema.</summary>
    public IReadOnlyList<(string Pointer, string Detail)> Check(JsonElement value)
    {
        var errors = new List<(string, string)>();
        Check(value, "", errors);
        return errors;
    }

    private void Check(JsonElement value, string pointer, List<(string, string)> errors)
    {
        if (_isFalse)
        {
            errors.Add((pointer, "is not allowed"));
            return;
        }

        if (_type.Count > 0 && !_type.Exists(type => IsOf(value, type)))
        {
            errors.Add((pointer, $"must be of type {string.Join(" or ", _type)}"));
            return;
        }

        if (_const is { } only && !JsonElement.DeepEquals(value, only))
        {
            errors.Add((pointer, $"must be {only.GetRawText()}"));
        }

        if (_enum is { } choices && !choices.EnumerateArray().Any(choice => JsonElement.DeepEquals(value, choice)))
        {
            errors.Add((pointer, $"must be one of {string.Join(", ", choices.EnumerateArray().Select(static choice => choice.GetRawText()))}"));
        }

        if (_anyOf.Count > 0 && _anyOf.TrueForAll(schema => schema.Check(value).Count > 0))
        {
            (string at, string detail) = _anyOf.Select(schema => schema.Check(value)[0]).MaxBy(static error => error.Pointer.Length);
            errors.Add((pointer + at, $"{detail}, or another of the {_anyOf.Count} forms"));
        }

        foreach ((string keyword, double limit) in _limits)
        {
            if (!Obeys(value, keyword, limit))
            {
                errors.Add((pointer, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"breaks the rule {keyword} {limit}")));
            }
        }

        if (value.ValueKind == JsonValueKind.Object)
        {
            CheckMembers(value, pointer, errors);
        }
        else if (value.ValueKind == JsonValueKind.Array && _items is not null)
        {
            int index = 0;
            foreach (JsonElement item in value.EnumerateArray())
            {
                _items.Check(item, $"{pointer}/{index++}", errors);
            }
        }
    }

    private void CheckMembers(JsonElement value, string pointer, List<(string, string)> errors)
    {
        foreach (string name in _required.Where(name => !value.TryGetProperty(name, out _)))
        {
            errors.Add(($"{pointer}/{Escaped(name)}", "is missing"));
        }

        foreach (JsonProperty member in value.EnumerateObject())
        {
            string place = $"{pointer}/{Escaped(member.Name)}";
            if (_properties.TryGetValue(member.Name, out ValueSchema? known))
            {
                known.Check(member.Value, place, errors);
            }
            else if (_additional is { _isFalse: true })
            {
                errors.Add((place, $"is not known; known are {string.Join(", ", _properties.Keys.Order(StringComparer.Ordinal))}"));
            }
            else
            {
                _additional?.Check(member.Value, place, errors);
            }
        }
    }

    private static bool IsOf(JsonElement value, string type) => type switch
    {
        "null" => value.ValueKind == JsonValueKind.Null,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "number" => value.ValueKind == JsonValueKind.Number,
        "integer" => value.ValueKind == JsonValueKind.Number && double.IsInteger(value.GetDouble()),
        _ => value.ValueKind == JsonValueKind.String,
    };

    // A limit says nothing about values of other types. Texts are measured in characters of Unicode, as the standard has it.
    private static bool Obeys(JsonElement value, string keyword, double limit) => (keyword, value.ValueKind) switch
    {
        ("minLength", JsonValueKind.String) => value.GetString()!.EnumerateRunes().Count() >= limit,
        ("maxLength", JsonValueKind.String) => value.GetString()!.EnumerateRunes().Count() <= limit,
        ("minimum", JsonValueKind.Number) => value.GetDouble() >= limit,
        ("maximum", JsonValueKind.Number) => value.GetDouble() <= limit,
        ("exclusiveMinimum", JsonValueKind.Number) => value.GetDouble() > limit,
        ("exclusiveMaximum", JsonValueKind.Number) => value.GetDouble() < limit,
        ("minItems", JsonValueKind.Array) => value.GetArrayLength() >= limit,
        ("maxItems", JsonValueKind.Array) => value.GetArrayLength() <= limit,
        _ => true,
    };

    private static string Escaped(string name) => name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    private static string Text(JsonElement value, string pointer) => value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(pointer, "must be a text");

    private static List<string> Texts(JsonElement value, string pointer) => [.. Items(value, pointer).Select(item => Text(item, pointer))];

    private static JsonElement.ArrayEnumerator Items(JsonElement value, string pointer) =>
        value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0 ? value.EnumerateArray() : throw Wrong(pointer, "must be a list that is not empty");

    private static JsonElement.ObjectEnumerator Members(JsonElement value, string pointer) =>
        value.ValueKind == JsonValueKind.Object ? value.EnumerateObject() : throw Wrong(pointer, "must be an object");

    private static ArgumentException Wrong(string pointer, string rule) => new($"The schema's '{pointer}' {rule}.");
}
