using System.Globalization;
using System.Text;

namespace HelixFlow.Engine.Grammar.Lexical;

/// <summary>Reads a regular expression of ECMA-262 in Unicode mode, as JSON Schema and most tools write them.</summary>
/// <remarks>
/// What is no regular language (back references), or needs the text around a match (look-around, word boundaries), is refused by name. Greedy and lazy
/// quantifiers mean the same here, since only whether there is a match counts.
/// </remarks>
internal sealed class RegexParser
{
    private const int MaxDepth = 200;

    private readonly string _pattern;
    private readonly RegexPool _pool;
    private readonly ICharacterCoding _coding;
    private int _at;
    private int _depth;

    private RegexParser(string pattern, RegexPool pool, ICharacterCoding coding)
    {
        _pattern = pattern;
        _pool = pool;
        _coding = coding;
    }

    /// <summary>An expression that matches texts which the pattern matches as a whole.</summary>
    /// <exception cref="GrammarException">The pattern is malformed or asks for something unsupported.</exception>
    public static int ParseWhole(string pattern, RegexPool pool, ICharacterCoding coding) => new RegexParser(pattern, pool, coding).Parse().Any(pool);

    /// <summary>An expression that matches texts which hold a match of the pattern, as JSON Schema's <c>pattern</c> means it.</summary>
    /// <exception cref="GrammarException">The pattern is malformed or asks for something unsupported.</exception>
    public static int ParseSearch(string pattern, RegexPool pool, ICharacterCoding coding) =>
        new RegexParser(pattern, pool, coding).Parse().Search(pool, pool.Repeat(coding.Write(pool, CodePoints.All), 0, RegexPool.Unbounded));

    private AnchoredRegex Parse()
    {
        AnchoredRegex parsed = ParseAlternatives();
        return _at == _pattern.Length ? parsed : throw Error("')' without '('");
    }

    private AnchoredRegex ParseAlternatives()
    {
        if (++_depth > MaxDepth)
        {
            throw Error($"groups are nested more than {MaxDepth} deep");
        }

        AnchoredRegex all = ParseSequence();
        while (TryTake('|'))
        {
            all = all.Or(ParseSequence(), _pool);
        }

        _depth--;
        return all;
    }

    private AnchoredRegex ParseSequence()
    {
        var parts = new List<AnchoredRegex>();
        while (_at < _pattern.Length && _pattern[_at] is not ('|' or ')'))
        {
            parts.Add(ParseQuantified());
        }

        AnchoredRegex sequence = AnchoredRegex.Plain(RegexPool.Empty);
        for (int i = parts.Count - 1; i >= 0; i--)
        {
            sequence = parts[i].Concat(sequence, _pool);
        }

        return sequence;
    }

    private AnchoredRegex ParseQuantified()
    {
        int start = _at;
        AnchoredRegex atom = ParseAtom();
        if (!TryParseQuantifier(out int min, out int max))
        {
            return atom;
        }

        TryTake('?');
        if (_at < _pattern.Length && _pattern[_at] is '*' or '+')
        {
            throw Error("a quantifier follows a quantifier");
        }

        return atom.Repeat(min, max, _pool) ?? throw new GrammarException($"in the pattern {Quoted()}, an anchor is repeated at position {start}; that is not supported");
    }

    private bool TryParseQuantifier(out int min, out int max)
    {
        (min, max) = (0, RegexPool.Unbounded);
        if (TryTake('*'))
        {
            return true;
        }

        if (TryTake('+'))
        {
            min = 1;
            return true;
        }

        if (TryTake('?'))
        {
            max = 1;
            return true;
        }

        int at = _at;
        if (at >= _pattern.Length || _pattern[at++] != '{' || !TryParseNumber(ref at, out min))
        {
            return false;
        }

        max = min;
        if (at < _pattern.Length && _pattern[at] == ',')
        {
            at++;
            max = TryParseNumber(ref at, out int given) ? given : RegexPool.Unbounded;
        }

        if (at >= _pattern.Length || _pattern[at] != '}')
        {
            return false;
        }

        _at = at + 1;
        return max >= min ? true : throw Error($"the quantifier {{{min},{max}}} has its bounds in the wrong order");
    }

    private bool TryParseNumber(ref int at, out int number)
    {
        int start = at;
        while (at < _pattern.Length && char.IsAsciiDigit(_pattern[at]))
        {
            at++;
        }

        number = 0;
        return at > start && (int.TryParse(_pattern.AsSpan(start, at - start), NumberStyles.None, CultureInfo.InvariantCulture, out number)
            ? true
            : throw Error("a quantifier's bound is too large"));
    }

    private AnchoredRegex ParseAtom()
    {
        char c = _pattern[_at];
        switch (c)
        {
            case '^':
                _at++;
                return AnchoredRegex.Start;
            case '$':
                _at++;
                return AnchoredRegex.End;
            case '(':
                return ParseGroup();
            case '[':
                _at++;
                return Characters(ParseClass());
            case '.':
                _at++;
                return Characters(~CodePoints.Of('\n', '\r', 0x2028, 0x2029));
            case '\\':
                return Characters(ParseEscape(inClass: false));
            case '*' or '+' or '?':
                throw Error("a quantifier has nothing before it");
            default:
                return Characters(CodePoints.Of(TakeCodePoint()));
        }
    }

    private AnchoredRegex ParseGroup()
    {
        _at++;
        if (TryTake('?'))
        {
            if (Follows("=") || Follows("!") || Follows("<=") || Follows("<!"))
            {
                throw Error("look-ahead and look-behind are not supported");
            }

            if (TryTake('<'))
            {
                while (_at < _pattern.Length && _pattern[_at] != '>')
                {
                    _at++;
                }

                _ = TryTake('>') ? true : throw Error("the name of a group has no end");
            }
            else if (!TryTake(':'))
            {
                throw Error("this kind of group is not supported");
            }
        }

        AnchoredRegex inner = ParseAlternatives();
        return TryTake(')') ? inner : throw Error("a group has no ')'");
    }

    private CodePoints ParseClass()
    {
        bool negated = TryTake('^');
        CodePoints set = CodePoints.None;
        while (true)
        {
            if (_at >= _pattern.Length)
            {
                throw Error("a class has no ']'");
            }

            if (TryTake(']'))
            {
                return negated ? ~set : set;
            }

            CodePoints first = ParseClassMember(out int? from);
            if (from is { } low && _at + 1 < _pattern.Length && _pattern[_at] == '-' && _pattern[_at + 1] != ']')
            {
                _at++;
                ParseClassMember(out int? to);
                if (to is not { } high || high < low)
                {
                    throw Error("a range in a class has its ends in the wrong order, or is none");
                }

                first = CodePoints.Range(low, high);
            }

            set |= first;
        }
    }

    /// <summary>One member of a class; <paramref name="value"/> is set when it is a single character.</summary>
    private CodePoints ParseClassMember(out int? value)
    {
        if (_pattern[_at] != '\\')
        {
            value = TakeCodePoint();
            return CodePoints.Of(value.Value);
        }

        CodePoints set = ParseEscape(inClass: true);
        value = set.Ranges.Length == 1 && set.Ranges[0].First == set.Ranges[0].Last ? set.Ranges[0].First : null;
        return set;
    }

    private CodePoints ParseEscape(bool inClass)
    {
        _at++;
        if (_at >= _pattern.Length)
        {
            throw Error("the pattern ends in a backslash");
        }

        char c = _pattern[_at++];
        switch (c)
        {
            case 'd' or 'D':
                return Either(CodePoints.Range('0', '9'), c == 'D');
            case 'w' or 'W':
                return Either(CodePoints.Range('0', '9') | CodePoints.Range('A', 'Z') | CodePoints.Range('a', 'z') | CodePoints.Of('_'), c == 'W');
            case 's' or 'S':
                return Either(CodePoints.Range(9, 13) | CodePoints.Of(' ', 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF) | CodePoints.Range(0x2000, 0x200A), c == 'S');
            case 'p' or 'P':
                return Either(ParseProperty(), c == 'P');
            case 't':
                return CodePoints.Of('\t');
            case 'n':
                return CodePoints.Of('\n');
            case 'r':
                return CodePoints.Of('\r');
            case 'v':
                return CodePoints.Of('\v');
            case 'f':
                return CodePoints.Of('\f');
            case 'b' when inClass:
                return CodePoints.Of('\b');
            case 'b' or 'B':
                throw Error("word boundaries are not supported");
            case '0' when _at >= _pattern.Length || !char.IsAsciiDigit(_pattern[_at]):
                return CodePoints.Of(0);
            case >= '0' and <= '9' or 'k':
                throw Error("back references are not supported");
            case 'c' when _at < _pattern.Length && char.IsAsciiLetter(_pattern[_at]):
                return CodePoints.Of(_pattern[_at++] & 31);
            case 'x':
                return CodePoints.Of(TakeHex(2));
            case 'u':
                return CodePoints.Of(TakeUnicodeEscape());
            default:
                if (char.IsAsciiLetterOrDigit(c))
                {
                    throw Error($"'\\{c}' is no escape");
                }

                _at--;
                return CodePoints.Of(TakeCodePoint());
        }
    }

    private CodePoints ParseProperty()
    {
        int end = _at < _pattern.Length && _pattern[_at] == '{' ? _pattern.IndexOf('}', _at) : -1;
        if (end < 0)
        {
            throw Error("'\\p' needs a property in braces, such as \\p{L}");
        }

        string name = _pattern[(_at + 1)..end];
        string value = name[(name.IndexOf('=', StringComparison.Ordinal) + 1)..];
        _at = end + 1;
        bool isCategory = value.Length == name.Length || name.StartsWith("gc=", StringComparison.Ordinal) || name.StartsWith("General_Category=", StringComparison.Ordinal);
        CodePoints? set = isCategory ? CodePoints.Category(ShortCategory(value)) : null;
        return set ?? (value == "ASCII" ? CodePoints.Range(0, 127) : value == "Any" ? CodePoints.All : throw Error($"the property '{name}' is not supported; general categories are"));
    }

    private static string ShortCategory(string name) => name switch
    {
        "Letter" => "L",
        "Lowercase_Letter" => "Ll",
        "Uppercase_Letter" => "Lu",
        "Mark" => "M",
        "Number" => "N",
        "Decimal_Number" or "digit" => "Nd",
        "Punctuation" or "punct" => "P",
        "Symbol" => "S",
        "Separator" => "Z",
        "Space_Separator" => "Zs",
        "Other" => "C",
        "Control" or "cntrl" => "Cc",
        _ => name,
    };

    private int TakeUnicodeEscape()
    {
        if (TryTake('{'))
        {
            int end = _pattern.IndexOf('}', _at);
            if (end < 0 || !int.TryParse(_pattern.AsSpan(_at, end - _at), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value) || !Rune.IsValid(value))
            {
                throw Error("'\\u{' needs the hexadecimal number of a character and '}'");
            }

            _at = end + 1;
            return value;
        }

        int first = TakeHex(4);
        if (char.IsHighSurrogate((char)first) && Follows("\\u"))
        {
            _at += 2;
            int second = TakeHex(4);
            return char.IsLowSurrogate((char)second) ? char.ConvertToUtf32((char)first, (char)second) : throw Error("a surrogate has no partner");
        }

        return char.IsSurrogate((char)first) ? throw Error("a surrogate has no partner") : first;
    }

    private int TakeHex(int digits)
    {
        if (_at + digits > _pattern.Length || !int.TryParse(_pattern.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value))
        {
            throw Error($"{digits} hexadecimal digits are missing");
        }

        _at += digits;
        return value;
    }

    private int TakeCodePoint()
    {
        if (Rune.DecodeFromUtf16(_pattern.AsSpan(_at), out Rune rune, out int length) != System.Buffers.OperationStatus.Done)
        {
            throw Error("a surrogate has no partner");
        }

        _at += length;
        return rune.Value;
    }

    private AnchoredRegex Characters(CodePoints set) => AnchoredRegex.Plain(_coding.Write(_pool, set));

    private static CodePoints Either(CodePoints set, bool negated) => negated ? ~set : set;

    private bool Follows(string text) => string.CompareOrdinal(_pattern, _at, text, 0, text.Length) == 0;

    private bool TryTake(char c)
    {
        if (_at < _pattern.Length && _pattern[_at] == c)
        {
            _at++;
            return true;
        }

        return false;
    }

    private GrammarException Error(string problem) => new($"in the pattern {Quoted()}, at position {_at}: {problem}");

    private string Quoted() => _pattern.Length > 200 ? $"'{_pattern[..200]}…'" : $"'{_pattern}'";
}
