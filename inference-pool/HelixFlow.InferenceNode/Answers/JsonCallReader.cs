using System.Text;
using System.Text.Json;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>Whether a reader wants more characters.</summary>
internal enum ReadStep
{
    More,

    /// <summary>The character just given was the last one.</summary>
    Done,

    /// <summary>The character just given does not fit; it has not been taken.</summary>
    Failed,
}

/// <summary>Reads one call that is written as a JSON object: <c>{"name": "f", "arguments": {…}}</c>, with "parameters" for "arguments" as well.</summary>
/// <remarks>
/// The call is told as soon as its arguments begin, and its arguments as they come, as they are written. Arguments that stand before the name,
/// or that are written as a JSON string, are told when the object ends. Other members are ignored.
/// </remarks>
/// <param name="output">Where the call goes.</param>
/// <param name="isTool">Which names are tools; null when any name is one. When it is given, an object with other members is no call, so that an answer in JSON is
/// known for one at its first member.</param>
internal sealed class JsonCallReader(AnswerParts output, Func<string, bool>? isTool)
{
    private enum Place
    {
        Start,
        KeyOrEnd,
        Key,
        InKey,
        Colon,
        Value,
        InString,
        InNested,
        InScalar,
        AfterValue,
    }

    private static readonly string[] CallMembers = ["\"name\"", "\"function\"", "\"type\"", "\"id\"", "\"arguments\"", "\"parameters\""];

    private readonly StringBuilder _key = new();
    private readonly StringBuilder _value = new();
    private Place _place;
    private string? _name;
    private string? _arguments;
    private bool _isArguments;
    private bool _isStreaming;
    private bool _isOnlyArguments;
    private bool _inString;
    private bool _escaped;
    private int _depth;

    /// <summary>Whether the call has been told.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>Makes ready for another call.</summary>
    public void Reset()
    {
        _key.Clear();
        _value.Clear();
        _place = Place.Start;
        _name = _arguments = null;
        _isArguments = _isStreaming = _isOnlyArguments = _inString = _escaped = HasBegun = false;
        _depth = 0;
    }

    /// <summary>Makes ready for the arguments alone of a call whose name is known.</summary>
    public void ResetToArguments(string name)
    {
        Reset();
        _name = name;
        _isArguments = _isOnlyArguments = true;
        _place = Place.Value;
    }

    public ReadStep Accept(char c)
    {
        switch (_place)
        {
            case Place.Start:
                return c == '{' ? Go(Place.KeyOrEnd) : ReadStep.Failed;
            case Place.KeyOrEnd or Place.Key:
                return IsSpace(c) ? ReadStep.More
                    : c == '"' ? BeginKey()
                    : c == '}' && _place == Place.KeyOrEnd ? Finish()
                    : ReadStep.Failed;
            case Place.InKey:
                _key.Append(c);
                return EndsString(c) ? Go(Place.Colon) : ReadStep.More;
            case Place.Colon:
                return c == ':' ? Go(Place.Value) : IsSpace(c) ? ReadStep.More : ReadStep.Failed;
            case Place.Value:
                return IsSpace(c) ? ReadStep.More : BeginValue(c);
            case Place.InString:
                _value.Append(c);
                return EndsString(c) ? EndValue() : ReadStep.More;
            case Place.InNested:
                return AcceptNested(c);
            case Place.InScalar:
                if (char.IsAsciiLetterOrDigit(c) || c is '+' or '-' or '.')
                {
                    _value.Append(c);
                    return ReadStep.More;
                }

                return EndValue() == ReadStep.Failed ? ReadStep.Failed : AfterValue(c);
            default:
                return AfterValue(c);
        }
    }

    public static bool IsSpace(char c) => c is ' ' or '\n' or '\r' or '\t';

    private ReadStep Go(Place place)
    {
        _place = place;
        return ReadStep.More;
    }

    private ReadStep BeginKey()
    {
        _key.Clear().Append('"');
        return Go(Place.InKey);
    }

    private ReadStep BeginValue(char c)
    {
        _value.Clear();
        if (!_isOnlyArguments)
        {
            if (isTool is not null && !CallMembers.Contains(_key.ToString()))
            {
                return ReadStep.Failed;
            }

            _isArguments = _key.Equals("\"arguments\"") || _key.Equals("\"parameters\"");
            if (_isArguments && _arguments is not null)
            {
                return ReadStep.Failed; // twice
            }
        }

        _isStreaming = _isArguments && c == '{' && _name is not null;
        if (c is '{' or '[')
        {
            if (_isOnlyArguments && c != '{')
            {
                return ReadStep.Failed;
            }

            if (_isStreaming)
            {
                Begin();
            }

            _depth = 0;
            _place = Place.InNested;
            return AcceptNested(c);
        }

        if (_isOnlyArguments || (c != '"' && c != '-' && !char.IsAsciiLetterOrDigit(c)))
        {
            return ReadStep.Failed;
        }

        _value.Append(c);
        return Go(c == '"' ? Place.InString : Place.InScalar);
    }

    private ReadStep AcceptNested(char c)
    {
        if (_inString)
        {
            _inString = !EndsString(c);
        }
        else
        {
            switch (c)
            {
                case '"':
                    _inString = true;
                    break;
                case '{' or '[':
                    _depth++;
                    break;
                case '}' or ']':
                    _depth--;
                    break;
                case '<':
                    return ReadStep.Failed; // the marker after a call whose braces do not match
            }
        }

        if (_isStreaming)
        {
            output.Arguments(c);
        }
        else
        {
            _value.Append(c);
        }

        return _depth == 0 ? EndValue() : ReadStep.More;
    }

    private ReadStep EndValue()
    {
        _place = Place.AfterValue;
        if (_isOnlyArguments)
        {
            return ReadStep.Done;
        }

        if (_isArguments)
        {
            _arguments = _isStreaming ? "" : ArgumentsOf(_value.ToString());
        }
        else if (_name is null && (_key.Equals("\"name\"") || _key.Equals("\"function\"")))
        {
            _name = StringOf(_value.ToString());
            if (string.IsNullOrEmpty(_name) || isTool?.Invoke(_name) == false)
            {
                _name = null;
                return ReadStep.Failed;
            }
        }

        return ReadStep.More;
    }

    private ReadStep AfterValue(char c) =>
        IsSpace(c) ? ReadStep.More
        : c == ',' ? Go(Place.Key)
        : c == '}' ? Finish()
        : ReadStep.Failed;

    private ReadStep Finish()
    {
        if (_name is null)
        {
            return ReadStep.Failed;
        }

        if (!HasBegun)
        {
            Begin();
            output.Arguments(_arguments ?? "{}");
        }

        return ReadStep.Done;
    }

    private void Begin()
    {
        HasBegun = true;
        output.BeginCall(_name!);
    }

    // Whether the character ends the string it stands in.
    private bool EndsString(char c)
    {
        if (_escaped)
        {
            _escaped = false;
            return false;
        }

        _escaped = c == '\\';
        return c == '"';
    }

    // Some models write the arguments as OpenAI sends them: an object inside a string.
    private static string ArgumentsOf(string json) => json switch
    {
        "null" => "{}",
        ['"', ..] when StringOf(json) is { } inner && inner.TrimStart().StartsWith('{') => inner,
        _ => json,
    };

    private static string? StringOf(string json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.String ? document.RootElement.GetString() : null;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return null; // among them escapes of half a character
        }
    }
}
