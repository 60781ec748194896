using System.Collections.Frozen;
using System.Text;
using HelixFlow.Engine.Grammar.Lexical;
using HelixFlow.Engine.Grammar.Parsing;

namespace HelixFlow.Engine.Grammar.Text;

/// <summary>Reads grammars of the Python library Lark: <c>start: "yes" | /no+/</c>.</summary>
/// <remarks>
/// https://lark-parser.readthedocs.io/en/stable/grammar.html. Rules, terminals, regular expressions, <c>%import common.NAME</c> and <c>%ignore</c>; aliases, priorities and the
/// marks that shape a parse tree mean nothing here. Templates and <c>%declare</c>, <c>%override</c> and <c>%extend</c> are refused.
/// </remarks>
internal sealed class LarkReader
{
    private const int MaxDepth = 200;

    // What common.lark defines, as regular expressions.
    private static readonly FrozenDictionary<string, string> _common = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["DIGIT"] = "[0-9]",
        ["HEXDIGIT"] = "[0-9a-fA-F]",
        ["INT"] = "[0-9]+",
        ["SIGNED_INT"] = "[+-]?[0-9]+",
        ["DECIMAL"] = @"[0-9]+\.[0-9]*|\.[0-9]+",
        ["FLOAT"] = @"[0-9]+[eE][+-]?[0-9]+|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?",
        ["SIGNED_FLOAT"] = @"[+-]?([0-9]+[eE][+-]?[0-9]+|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)",
        ["NUMBER"] = @"[0-9]+([eE][+-]?[0-9]+)?|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?",
        ["SIGNED_NUMBER"] = @"[+-]?([0-9]+([eE][+-]?[0-9]+)?|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)",
        ["ESCAPED_STRING"] = @"""([^""\\\n]|\\[^\n])*""",
        ["LCASE_LETTER"] = "[a-z]",
        ["UCASE_LETTER"] = "[A-Z]",
        ["LETTER"] = "[A-Za-z]",
        ["WORD"] = "[A-Za-z]+",
        ["CNAME"] = "[_A-Za-z][_A-Za-z0-9]*",
        ["WS_INLINE"] = @"[ \t]+",
        ["WS"] = @"[ \t\f\r\n]+",
        ["CR"] = @"\r",
        ["LF"] = @"\n",
        ["NEWLINE"] = @"(\r?\n)+",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private readonly TextScanner _text;
    private readonly RegexPool _pool;
    private readonly GrammarText _grammar;
    private readonly List<RuleBody> _ignored = [];
    private int _depth;

    private LarkReader(string text, GrammarBuilder builder)
    {
        _text = new TextScanner(text);
        _pool = builder.Pool;
        _grammar = new GrammarText(builder);
    }

    /// <summary>The symbol of the rule <c>start</c>.</summary>
    /// <exception cref="GrammarException">The text is no such grammar, or uses what is not supported.</exception>
    public static Symbol Read(string text, GrammarBuilder builder)
    {
        var reader = new LarkReader(text, builder);
        reader.ReadStatements();
        return reader._grammar.Write("start ignored");
    }

    private static bool IsName(char c) => char.IsAsciiLetterOrDigit(c) || c == '_';

    private void ReadStatements()
    {
        SkipLines();
        while (!_text.IsAtEnd)
        {
            if (_text.TryTake("%"))
            {
                ReadDirective();
            }
            else
            {
                ReadDefinition();
            }

            SkipLines();
        }

        // Ignored text may stand before the first terminal and behind each.
        RuleBody ignored = new RuleBody.Repetition(new RuleBody.Alternatives(_ignored), 0, RegexPool.Unbounded);
        _grammar.Add("ignored ", _ignored.Count == 0 ? new RuleBody.Characters(RegexPool.Empty) : ignored, "the grammar");
        _grammar.Add("start ignored", new RuleBody.Sequence([new RuleBody.Reference("ignored ", "the grammar"), new RuleBody.Reference("start", "the grammar")]), "the grammar");
    }

    private void ReadDefinition()
    {
        string place = $"the grammar, {_text.Place}";
        _ = _text.TryTake("?") || _text.TryTake("!");
        string name = ReadName();
        if (_text.TryTake("{"))
        {
            throw _text.Error("templates are not supported");
        }

        if (_text.TryTake("."))
        {
            _text.TryTake("-");
            _text.TakeNumber();
        }

        Skip();
        _text.Expect(":");
        bool isTerminal = IsTerminal(name);
        _grammar.Add(name, ReadAlternatives(isTerminal), place);
    }

    private void ReadDirective()
    {
        string place = $"the grammar, {_text.Place}";
        string directive = _text.TakeWhile(char.IsAsciiLetter);
        Skip();
        switch (directive)
        {
            case "ignore":
                _ignored.Add(ReadAlternatives(isTerminal: true));
                break;
            case "import":
                ReadImport(place);
                break;
            default:
                throw new GrammarException($"{place}: '%{directive}' is not supported");
        }
    }

    private void ReadImport(string place)
    {
        string module = ReadName();
        _text.Expect(".");
        if (module != "common")
        {
            throw new GrammarException($"{place}: only '%import common.…' is supported");
        }

        if (_text.TryTake("("))
        {
            do
            {
                Skip();
                string name = ReadName();
                Import(name, name, place);
                Skip();
            }
            while (_text.TryTake(","));
            _text.Expect(")");
            return;
        }

        string imported = ReadName();
        Skip();
        string alias = imported;
        if (_text.TryTake("->"))
        {
            Skip();
            alias = ReadName();
        }

        Import(imported, alias, place);
    }

    private void Import(string name, string alias, string place) => _grammar.Add(
        alias,
        new RuleBody.Characters(RegexParser.ParseWhole(_common.GetValueOrDefault(name) ?? throw new GrammarException($"{place}: 'common.{name}' is not supported"), _pool, Utf8Coding.Instance)),
        place);

    private RuleBody ReadAlternatives(bool isTerminal)
    {
        if (++_depth > MaxDepth)
        {
            throw _text.Error($"groups are nested more than {MaxDepth} deep");
        }

        var choices = new List<RuleBody>();
        do
        {
            choices.Add(ReadSequence(isTerminal));
            SkipToChoice();
        }
        while (_text.TryTake("|"));

        _depth--;
        return choices.Count == 1 ? choices[0] : new RuleBody.Alternatives(choices);
    }

    private RuleBody.Sequence ReadSequence(bool isTerminal)
    {
        var parts = new List<RuleBody>();
        while (true)
        {
            Skip();
            if (_text.IsAtEnd || _text.Current is '|' or ')' or ']' or '\n')
            {
                return new RuleBody.Sequence(parts);
            }

            if (_text.TryTake("->"))
            {
                Skip();
                ReadName();
                continue;
            }

            parts.Add(ReadRepetitions(ReadPart(isTerminal)));
        }
    }

    private RuleBody ReadPart(bool isTerminal)
    {
        string place = $"the grammar, {_text.Place}";
        switch (_text.Current)
        {
            case '"':
                return Lexeme(ReadString(), isTerminal);
            case '/':
                return Lexeme(ReadExpression(), isTerminal);
            case '(' or '[':
                bool optional = _text.Current == '[';
                _text.At++;
                RuleBody inner = ReadAlternatives(isTerminal);
                SkipLines();
                _text.Expect(optional ? "]" : ")");
                return optional ? new RuleBody.Repetition(inner, 0, 1) : inner;
            default:
                string name = ReadName();
                var reference = new RuleBody.Reference(name, place);
                return !isTerminal && IsTerminal(name) ? new RuleBody.Sequence([reference, new RuleBody.Reference("ignored ", place)]) : reference;
        }
    }

    private static RuleBody Lexeme(int expression, bool isTerminal)
    {
        var characters = new RuleBody.Characters(expression);
        return isTerminal ? characters : new RuleBody.Sequence([characters, new RuleBody.Reference("ignored ", "the grammar")]);
    }

    private RuleBody ReadRepetitions(RuleBody part)
    {
        if (_text.TryTake("*"))
        {
            return new RuleBody.Repetition(part, 0, RegexPool.Unbounded);
        }

        if (_text.TryTake("+"))
        {
            return new RuleBody.Repetition(part, 1, RegexPool.Unbounded);
        }

        if (_text.TryTake("?"))
        {
            return new RuleBody.Repetition(part, 0, 1);
        }

        int before = _text.At;
        Skip();
        if (!_text.TryTake("~"))
        {
            _text.At = before;
            return part;
        }

        Skip();
        int min = _text.TakeNumber();
        int max = _text.TryTake("..") ? _text.TakeNumber() : min;
        return max >= min ? new RuleBody.Repetition(part, min, max) : throw _text.Error("the bounds of a repetition are in the wrong order");
    }

    private int ReadString()
    {
        CodePoints[] first = [.. ReadLiteral()];
        bool ignoresCase = _text.Current == 'i' && !IsName(_text.Peek(1));
        if (ignoresCase)
        {
            _text.At++;
        }

        // A range of characters: "a".."z".
        if (_text.TryTake(".."))
        {
            CodePoints[] last = [.. ReadLiteral()];
            return first.Length == 1 && last.Length == 1
                ? Utf8Coding.Instance.Write(_pool, CodePoints.Range(first[0].Ranges[0].First, last[0].Ranges[0].Last))
                : throw _text.Error("the ends of a range must be single characters");
        }

        return _pool.Concat([.. first.Select(character => Utf8Coding.Instance.Write(_pool, ignoresCase ? BothCases(character) : character))]);
    }

    private IEnumerable<CodePoints> ReadLiteral()
    {
        _text.Expect("\"");
        while (!_text.TryTake("\""))
        {
            yield return CodePoints.Of(_text.TakeCharacter());
        }
    }

    private static CodePoints BothCases(CodePoints character)
    {
        var rune = new Rune(character.Ranges[0].First);
        return CodePoints.Of(rune.Value, Rune.ToUpperInvariant(rune).Value, Rune.ToLowerInvariant(rune).Value);
    }

    private int ReadExpression()
    {
        _text.Expect("/");
        var pattern = new StringBuilder();
        while (!_text.TryTake("/"))
        {
            if (_text.IsAtEnd || _text.Current == '\n')
            {
                throw _text.Error("a regular expression has no closing '/'");
            }

            if (_text.Current == '\\' && _text.Peek(1) == '/')
            {
                _text.At++; // only the delimiter needed it
            }
            else if (_text.Current == '\\')
            {
                pattern.Append(_text.Current);
                _text.At++;
            }

            pattern.Append(_text.Current);
            _text.At++;
        }

        string flags = _text.TakeWhile(char.IsAsciiLetter);
        return flags.Length == 0
            ? RegexParser.ParseWhole(pattern.ToString(), _pool, Utf8Coding.Instance)
            : throw _text.Error($"the flags '{flags}' of a regular expression are not supported");
    }

    private string ReadName()
    {
        string name = _text.TakeWhile(IsName);
        return name.Length > 0 ? name : throw _text.Error("a name is expected here");
    }

    private static bool IsTerminal(string name) => name.TrimStart('_') is { Length: > 0 } rest && char.IsAsciiLetterUpper(rest[0]);

    private void Skip() => _text.SkipSpace("//", lines: false);

    private void SkipLines() => _text.SkipSpace("//", lines: true);

    /// <summary>An alternative may begin on the next line; anything else there is the next statement.</summary>
    private void SkipToChoice()
    {
        int before = _text.At;
        SkipLines();
        if (_text.Current is not ('|' or ')' or ']'))
        {
            _text.At = before;
        }
    }
}
