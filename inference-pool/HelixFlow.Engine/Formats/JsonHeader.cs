using System.Text.Json;
using System.Text.Unicode;

namespace HelixFlow.Engine.Formats;

/// <summary>A strict reader of the small JSON documents in and beside safetensors files; errors carry the byte offset.</summary>
internal ref struct JsonHeader
{
    private readonly string _path;
    private readonly long _fileOffset;
    private Utf8JsonReader _reader;

    private JsonHeader(string path, long fileOffset, ReadOnlySpan<byte> utf8)
    {
        _path = path;
        _fileOffset = fileOffset;
        _reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = 32 });
    }

    internal delegate T Parser<T>(ref JsonHeader json);

    /// <summary>Runs <paramref name="parser"/>; complaints of the JSON reader become a <see cref="ModelFormatException"/>.</summary>
    public static T Parse<T>(string path, long fileOffset, ReadOnlySpan<byte> utf8, Parser<T> parser)
    {
        if (!Utf8.IsValid(utf8))
        {
            throw new ModelFormatException(path, fileOffset, "the JSON text is not valid UTF-8");
        }

        var json = new JsonHeader(path, fileOffset, utf8);
        try
        {
            return parser(ref json);
        }
        catch (JsonException e)
        {
            throw new ModelFormatException(path, fileOffset + json._reader.BytesConsumed, "the JSON text is damaged: " + e.Message, e);
        }
        catch (InvalidOperationException e) // a string escape that is no character, such as half a surrogate pair
        {
            throw new ModelFormatException(path, fileOffset + json._reader.TokenStartIndex, "a JSON string is damaged: " + e.Message, e);
        }
    }

    public void BeginObject(string what)
    {
        Advance(what);
        Expect(JsonTokenType.StartObject, what, "an object");
    }

    /// <summary>The next property's name, after which its value must be read or skipped; null at the end of the object.</summary>
    public string? NextProperty(string what)
    {
        Advance(what);
        return _reader.TokenType == JsonTokenType.EndObject ? null : _reader.GetString();
    }

    public void SkipValue()
    {
        Advance("a value");
        _reader.Skip();
    }

    public string ReadString(string what)
    {
        Advance(what);
        Expect(JsonTokenType.String, what, "a string");
        return _reader.GetString()!;
    }

    /// <summary>Reads an array of whole numbers from 0 into <paramref name="values"/> and returns how many there were.</summary>
    public int ReadNumbers(scoped Span<long> values, string what)
    {
        Advance(what);
        Expect(JsonTokenType.StartArray, what, "an array");
        for (int count = 0; ; count++)
        {
            Advance(what);
            if (_reader.TokenType == JsonTokenType.EndArray)
            {
                return count;
            }

            if (count == values.Length)
            {
                throw Error($"{what} has more than {values.Length} elements");
            }

            Expect(JsonTokenType.Number, what, "a number");
            if (!_reader.TryGetInt64(out values[count]) || values[count] < 0)
            {
                throw Error($"{what} holds a number that is not a whole number from 0 to {long.MaxValue}");
            }
        }
    }

    /// <summary>Checks that nothing but white space follows.</summary>
    public void End()
    {
        if (_reader.Read())
        {
            throw Error("there is more text after the JSON object");
        }
    }

    public readonly ModelFormatException Error(string reason) => new(_path, _fileOffset + _reader.TokenStartIndex, reason);

    private void Advance(string what)
    {
        if (!_reader.Read())
        {
            throw Error($"the JSON text ends inside {what}");
        }
    }

    private readonly void Expect(JsonTokenType type, string what, string expected)
    {
        if (_reader.TokenType != type)
        {
            throw Error($"{what} is not {expected}");
        }
    }
}
