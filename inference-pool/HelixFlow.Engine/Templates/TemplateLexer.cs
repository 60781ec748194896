using System.Globalization;
using System.Text;

namespace HelixFlow.Engine.Templates;

/// <summary>
/// Cuts a template into tokens with the whitespace rules of Jinja's <c>trim_blocks</c> and <c>lstrip_blocks</c>, which is how
/// Hugging Face renders chat templates: the newline after a block or comment tag goes, and so does the blank space before one.
/// </summary>
internal sealed class TemplateLexer
{
    private static readonly string[] Operators =
    [
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";",
    ];

    private readonly string _source;
    private readonly List<TemplateToken> _tokens = [];
    private readonly Stack<char> _brackets = new();
    private int _at;
    private int _lineCountedTo;
    private int _line = 1;
    private int _lineStart;

    /// <summary>The last tag ended with a newline (or nothing came yet), so text that follows begins a line.</summary>
    private bool _atLineStart = true;

    private TemplateLexer(string source) => _source = source;

    public static List<TemplateToken> Tokenize(string source)
    {
        var text = source.Contains('\r') ? source.Replace("\r\n", "\n").Replace('\r', '\n') : source;
        if (text.EndsWith('\n'))
        {
            text = text[..^1];
        }

        var lexer = new TemplateLexer(text);
        lexer.ReadTemplate();
        return lexer._tokens;
    }

    private void ReadTemplate()
    {
        while (_at < _source.Length)
        {
            var tag = FindTag(_at);
            if (tag < 0)
            {
                AddData(_at, _source.Length);
                _at = _source.Length;
                break;
            }

            ReadTag(tag);
        }

        Add(TokenKind.End, "", _source.Length);
    }

    private int FindTag(int from)
    {
        for (var i = from; ; i++)
        {
            i = _source.IndexOf('{', i);
            if (i < 0 || i + 1 >= _source.Length)
            {
                return -1;
            }

            if (_source[i + 1] is '%' or '{' or '#')
            {
                return i;
            }
        }
    }

    private void ReadTag(int tag)
    {
        var kind = _source[tag + 1];
        var sign = tag + 2 < _source.Length && _source[tag + 2] is '-' or '+' ? _source[tag + 2] : '\0';
        var body = tag + (sign == '\0' ? 2 : 3);

        AddData(_at, StripBefore(_at, tag, sign, canStripLine: kind != '{'));
        if (kind == '#')
        {
            SkipComment(tag, tag + 2);
        }
        else if (kind == '%' && TryFindRawBody(body, out var rawStart))
        {
            ReadRaw(tag, rawStart);
        }
        else
        {
            Add(kind == '%' ? TokenKind.BlockBegin : TokenKind.VariableBegin, "", tag);
            _at = body;
            ReadExpressionTokens(tag, kind == '%');
        }
    }

    /// <summary>Where text from <paramref name="start"/> ends once the whitespace that the tag at <paramref name="tag"/> eats is gone.</summary>
    private int StripBefore(int start, int tag, char sign, bool canStripLine)
    {
        var end = tag;
        if (sign == '-')
        {
            while (end > start && PythonText.IsSpace(_source[end - 1]))
            {
                end--;
            }

            return end;
        }

        if (sign == '+' || !canStripLine || start == tag)
        {
            return end;
        }

        var lineStart = _source.LastIndexOf('\n', tag - 1, tag - start) + 1;
        if (lineStart == 0)
        {
            if (!_atLineStart)
            {
                return end;
            }

            lineStart = start;
        }

        for (var i = lineStart; i < tag; i++)
        {
            if (!PythonText.IsSpace(_source[i]))
            {
                return end;
            }
        }

        return lineStart;
    }

    private void SkipComment(int tag, int body)
    {
        var end = _source.IndexOf("#}", body, StringComparison.Ordinal);
        if (end < 0)
        {
            throw Error("this comment has no '#}'", tag);
        }

        FinishTag(end + 2, end > body ? _source[end - 1] : '\0', trimsNewline: true);
    }

    private bool TryFindRawBody(int body, out int rawStart)
    {
        rawStart = SkipSpace(body);
        if (string.CompareOrdinal(_source, rawStart, "raw", 0, 3) != 0)
        {
            return false;
        }

        rawStart = SkipSpace(rawStart + 3);
        if (string.CompareOrdinal(_source, rawStart, "-%}", 0, 3) == 0)
        {
            rawStart = SkipSpace(rawStart + 3);
            return true;
        }

        rawStart += 2;
        return string.CompareOrdinal(_source, rawStart - 2, "%}", 0, 2) == 0;
    }

    private void ReadRaw(int tag, int rawStart)
    {
        _atLineStart = _source[rawStart - 1] == '\n';
        for (var i = rawStart; ; i += 2)
        {
            i = _source.IndexOf("{%", i, StringComparison.Ordinal);
            if (i < 0)
            {
                throw Error("this raw block has no '{% endraw %}'", tag);
            }

            var sign = i + 2 < _source.Length && _source[i + 2] is '-' or '+' ? _source[i + 2] : '\0';
            var word = SkipSpace(i + (sign == '\0' ? 2 : 3));
            if (string.CompareOrdinal(_source, word, "endraw", 0, 6) != 0)
            {
                continue;
            }

            var close = SkipSpace(word + 6);
            var closeSign = close < _source.Length && _source[close] is '-' or '+' ? _source[close] : '\0';
            close += closeSign == '\0' ? 0 : 1;
            if (string.CompareOrdinal(_source, close, "%}", 0, 2) == 0)
            {
                AddData(rawStart, StripBefore(rawStart, i, sign, canStripLine: true));
                FinishTag(close + 2, closeSign, trimsNewline: true);
                return;
            }
        }
    }

    private void FinishTag(int end, char sign, bool trimsNewline)
    {
        _at = end;
        if (sign == '-')
        {
            _at = SkipSpace(_at);
        }
        else if (trimsNewline && sign != '+' && _at < _source.Length && _source[_at] == '\n')
        {
            _at++;
        }

        _atLineStart = _source[_at - 1] == '\n';
    }

    private void ReadExpressionTokens(int tag, bool isBlock)
    {
        _brackets.Clear();
        while (true)
        {
            _at = SkipSpace(_at);
            if (_at >= _source.Length)
            {
                throw Error(isBlock ? "this tag has no '%}'" : "this expression has no '}}'", tag);
            }

            if (_brackets.Count == 0 && TryReadTagEnd(isBlock))
            {
                return;
            }

            ReadExpressionToken();
        }
    }

    private bool TryReadTagEnd(bool isBlock)
    {
        var sign = _source[_at] is '-' or '+' ? _source[_at] : '\0';
        if (sign == '+' && !isBlock)
        {
            return false;
        }

        var close = _at + (sign == '\0' ? 0 : 1);
        if (string.CompareOrdinal(_source, close, isBlock ? "%}" : "}}", 0, 2) != 0)
        {
            return false;
        }

        Add(isBlock ? TokenKind.BlockEnd : TokenKind.VariableEnd, "", _at);
        FinishTag(close + 2, sign, trimsNewline: isBlock);
        return true;
    }

    private void ReadExpressionToken()
    {
        var start = _at;
        var c = _source[start];
        if (c is '"' or '\'')
        {
            ReadString(c);
        }
        else if (char.IsAsciiDigit(c))
        {
            ReadNumber();
        }
        else if (c == '_' || char.IsLetter(c))
        {
            while (_at < _source.Length && (_source[_at] == '_' || char.IsLetterOrDigit(_source[_at])))
            {
                _at++;
            }

            Add(TokenKind.Name, _source[start.._at], start);
        }
        else
        {
            ReadOperator();
        }
    }

    private void ReadOperator()
    {
        foreach (var op in Operators)
        {
            if (string.CompareOrdinal(_source, _at, op, 0, op.Length) == 0)
            {
                TrackBrackets(op[0]);
                Add(TokenKind.Operator, op, _at);
                _at += op.Length;
                return;
            }
        }

        throw Error($"unexpected character '{_source[_at]}'", _at);
    }

    private void TrackBrackets(char c)
    {
        if (c is '(' or '[' or '{')
        {
            _brackets.Push(c == '(' ? ')' : c == '[' ? ']' : '}');
        }
        else if (c is ')' or ']' or '}' && (!_brackets.TryPop(out var expected) || expected != c))
        {
            throw Error($"unexpected '{c}'", _at);
        }
    }

    private void ReadNumber()
    {
        var start = _at;
        if (_source[_at] == '0' && _at + 1 < _source.Length && _source[_at + 1] is 'x' or 'X' or 'o' or 'O' or 'b' or 'B')
        {
            _at += 2;
            while (_at < _source.Length && (_source[_at] == '_' || char.IsAsciiHexDigit(_source[_at])))
            {
                _at++;
            }

            Add(TokenKind.Integer, _source[start.._at], start);
            return;
        }

        var isFloat = false;
        SkipDigits();

        // A dot after a dot is an index: in `a.0.1` the tokens are `0`, `.`, `1`.
        var mayBeFloat = start == 0 || _source[start - 1] != '.';
        if (mayBeFloat && _at + 1 < _source.Length && _source[_at] == '.' && char.IsAsciiDigit(_source[_at + 1]))
        {
            isFloat = true;
            _at++;
            SkipDigits();
        }

        if (mayBeFloat && TrySkipExponent())
        {
            isFloat = true;
        }

        Add(isFloat ? TokenKind.Float : TokenKind.Integer, _source[start.._at].Replace("_", ""), start);
    }

    private void SkipDigits()
    {
        while (_at < _source.Length && (char.IsAsciiDigit(_source[_at]) || (_source[_at] == '_' && _at + 1 < _source.Length && char.IsAsciiDigit(_source[_at + 1]))))
        {
            _at++;
        }
    }

    private bool TrySkipExponent()
    {
        if (_at >= _source.Length || _source[_at] is not ('e' or 'E'))
        {
            return false;
        }

        var digits = _at + 1;
        if (digits < _source.Length && _source[digits] is '+' or '-')
        {
            digits++;
        }

        if (digits >= _source.Length || !char.IsAsciiDigit(_source[digits]))
        {
            return false;
        }

        _at = digits;
        SkipDigits();
        return true;
    }

    private void ReadString(char quote)
    {
        var start = _at++;
        var text = new StringBuilder();
        while (_at < _source.Length && _source[_at] != quote)
        {
            if (_source[_at] == '\\' && _at + 1 < _source.Length)
            {
                ReadEscape(text);
            }
            else
            {
                text.Append(_source[_at++]);
            }
        }

        if (_at >= _source.Length)
        {
            throw Error("this string has no closing quote", start);
        }

        _at++;
        Add(TokenKind.String, text.ToString(), start);
    }

    private void ReadEscape(StringBuilder text)
    {
        var start = _at;
        var c = _source[_at + 1];
        _at += 2;
        switch (c)
        {
            case '\n': break;
            case '\\' or '\'' or '"': text.Append(c); break;
            case 'n': text.Append('\n'); break;
            case 't': text.Append('\t'); break;
            case 'r': text.Append('\r'); break;
            case 'a': text.Append('\a'); break;
            case 'b': text.Append('\b'); break;
            case 'f': text.Append('\f'); break;
            case 'v': text.Append('\v'); break;
            case 'x': ReadHexEscape(text, start, 2); break;
            case 'u': ReadHexEscape(text, start, 4); break;
            case 'U': ReadHexEscape(text, start, 8); break;
            case >= '0' and <= '7': ReadOctalEscape(text, c); break;
            case 'N': throw Error("a character by name (\\N) is not supported; write \\uXXXX", start);
            default: text.Append('\\').Append(c); break;
        }
    }

    private void ReadOctalEscape(StringBuilder text, char first)
    {
        var value = first - '0';
        for (var i = 0; i < 2 && _at < _source.Length && _source[_at] is >= '0' and <= '7'; i++)
        {
            value = (value * 8) + (_source[_at++] - '0');
        }

        text.Append((char)value);
    }

    private void ReadHexEscape(StringBuilder text, int start, int digits)
    {
        if (_at + digits > _source.Length
            || !uint.TryParse(_source.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code)
            || code > 0x10FFFF)
        {
            throw Error($"this escape needs {digits} hexadecimal digits of a character up to 10FFFF", start);
        }

        _at += digits;
        if (code > 0xFFFF)
        {
            text.Append(char.ConvertFromUtf32((int)code));
        }
        else
        {
            text.Append((char)code);
        }
    }

    private int SkipSpace(int at)
    {
        while (at < _source.Length && PythonText.IsSpace(_source[at]))
        {
            at++;
        }

        return at;
    }

    private void AddData(int start, int end)
    {
        if (end > start)
        {
            Add(TokenKind.Data, _source[start..end], start);
        }
    }

    private void Add(TokenKind kind, string text, int at)
    {
        var (line, column) = Locate(at);
        _tokens.Add(new TemplateToken(kind, text, line, column));
    }

    private TemplateSyntaxException Error(string reason, int at)
    {
        var (line, column) = Locate(at);
        return new TemplateSyntaxException(reason, line, column);
    }

    private (int Line, int Column) Locate(int at)
    {
        if (at < _lineCountedTo)
        {
            (_line, _lineStart, _lineCountedTo) = (1, 0, 0);
        }

        for (; _lineCountedTo < at; _lineCountedTo++)
        {
            if (_source[_lineCountedTo] == '\n')
            {
                _line++;
                _lineStart = _lineCountedTo + 1;
            }
        }

        return (_line, at - _lineStart + 1);
    }
}
