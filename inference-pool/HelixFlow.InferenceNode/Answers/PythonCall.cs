using System.Globalization;
using System.Text;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>Reads the arguments of a call that is written as Python: literals only, nothing is run.</summary>
internal ref struct PythonCall
{
    private const int MostDepth = 64;

    private readonly ReadOnlySpan<char> _text;
    private readonly StringBuilder _json = new();
    private int _at;
    private int _depth;

    private PythonCall(ReadOnlySpan<char> text) => _text = text;

    /// <summary>The arguments as a JSON object; null when they are no literals.</summary>
    /// <param name="text">What stands between the parentheses.</param>
    /// <param name="parameters">The names that positional arguments take in turn.</param>
    public static string? Arguments(ReadOnlySpan<char> text, IReadOnlyList<string> parameters)
    {
        var call = new PythonCall(text);
        return call.TryArguments(parameters) ? call._json.ToString() : null;
    }

    private bool TryArguments(IReadOnlyList<string> parameters)
    {
        int count = 0;
        bool named = false;
        _json.Append('{');
        for (SkipSpace(); _at < _text.Length; SkipSpace())
        {
            if (count > 0 && (!TryTake(',') || Ended()))
            {
                break;
            }

            SkipSpace();
            ReadOnlySpan<char> name = TakeName();
            if (name.Length == 0)
            {
                if (named || count >= parameters.Count)
                {
                    return false;
                }

                name = parameters[count];
            }
            else
            {
                named = true;
            }

            _json.Append(count++ == 0 ? "" : ", ").Append(JsonText.Quote(name.ToString())).Append(": ");
            if (!TryValue())
            {
                return false;
            }
        }

        _json.Append('}');
        SkipSpace();
        return _at == _text.Length;
    }

    private bool Ended()
    {
        SkipSpace();
        return _at == _text.Length;
    }

    private void SkipSpace()
    {
        while (_at < _text.Length && char.IsWhiteSpace(_text[_at]))
        {
            _at++;
        }
    }

    private bool TryTake(char c)
    {
        SkipSpace();
        if (_at == _text.Length || _text[_at] != c)
        {
            return false;
        }

        _at++;
        return true;
    }

    // The name of a keyword argument with the sign after it; empty when none stands here.
    private ReadOnlySpan<char> TakeName()
    {
        int end = _at;
        while (end < _text.Length && (char.IsLetterOrDigit(_text[end]) || _text[end] is '_' or '-' or '.' or '$' or '@'))
        {
            end++;
        }

        int sign = end;
        while (sign < _text.Length && char.IsWhiteSpace(_text[sign]))
        {
            sign++;
        }

        if (end == _at || sign == _text.Length || _text[sign] != '=')
        {
            return [];
        }

        ReadOnlySpan<char> name = _text[_at..end];
        _at = sign + 1;
        return name;
    }

    private bool TryValue()
    {
        SkipSpace();
        if (_at == _text.Length || ++_depth > MostDepth)
        {
            return false;
        }

        bool read = _text[_at] switch
        {
            '"' or '\'' => TryString(),
            '[' => TryList(']'),
            '(' => TryList(')'),
            '{' => TryMap(),
            _ => TryWord(),
        };
        _depth--;
        return read;
    }

    private bool TryList(char end)
    {
        _at++;
        _json.Append('[');
        for (int count = 0; !TryTake(end); count++)
        {
            if (count > 0 && !TryTake(','))
            {
                return false;
            }

            if (count > 0 && TryTake(end))
            {
                break;
            }

            _json.Append(count == 0 ? "" : ", ");
            if (!TryValue())
            {
                return false;
            }
        }

        _json.Append(']');
        return true;
    }

    private bool TryMap()
    {
        _at++;
        _json.Append('{');
        for (int count = 0; !TryTake('}'); count++)
        {
            if (count > 0 && !TryTake(','))
            {
                return false;
            }

            if (count > 0 && TryTake('}'))
            {
                break;
            }

            _json.Append(count == 0 ? "" : ", ");
            SkipSpace();
            if (_at == _text.Length || _text[_at] is not ('"' or '\'') || !TryString() || !TryTake(':'))
            {
                return false;
            }

            _json.Append(": ");
            if (!TryValue())
            {
                return false;
            }
        }

        _json.Append('}');
        return true;
    }

    private bool TryString()
    {
        char quote = _text[_at++];
        var value = new StringBuilder();
        while (_at < _text.Length)
        {
            char c = _text[_at++];
            if (c == quote)
            {
                _json.Append(JsonText.Quote(value.ToString()));
                return true;
            }

            if (c != '\\')
            {
                value.Append(c);
            }
            else if (_at == _text.Length || !TryEscape(value))
            {
                return false;
            }
        }

        return false;
    }

    private bool TryEscape(StringBuilder value)
    {
        char c = _text[_at++];
        int digits = c switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        if (digits == 0)
        {
            switch (c)
            {
                case 'b': value.Append('\b'); break;
                case 'f': value.Append('\f'); break;
                case 'n': value.Append('\n'); break;
                case 't': value.Append('\t'); break;
                case 'r': value.Append('\r'); break;
                case '\n': break;
                case '\\' or '\'' or '"': value.Append(c); break;
                default: value.Append('\\').Append(c); break; // as Python reads an escape that it does not know
            }

            return true;
        }

        if (_at + digits > _text.Length || !int.TryParse(_text.Slice(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int code) || code is < 0 or > 0x10FFFF)
        {
            return false;
        }

        _at += digits;
        value.Append(code > char.MaxValue ? char.ConvertFromUtf32(code) : ((char)code).ToString());
        return true;
    }

    private bool TryWord()
    {
        int start = _at;
        while (_at < _text.Length && (char.IsAsciiLetterOrDigit(_text[_at]) || _text[_at] is '_' or '.' or '+' or '-'))
        {
            _at++;
        }

        string? json = _text[start.._at] switch
        {
            "True" or "true" => "true",
            "False" or "false" => "false",
            "None" or "null" => "null",
            var word => NumberOf(word),
        };
        _json.Append(json);
        return json is not null;
    }

    private static string? NumberOf(ReadOnlySpan<char> word)
    {
        string text = word.ToString().Replace("_", "", StringComparison.Ordinal);
        return text.Length > 0 && (char.IsAsciiDigit(text[0]) || text[0] == '-') && JsonText.IsValue(text) ? text
            : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number) && text.Any(char.IsAsciiDigit)
                ? number.ToString("R", CultureInfo.InvariantCulture)
                : null;
    }
}
