using System.Text;
using HelixFlow.Engine.Grammar.Lexical;
using HelixFlow.Engine.Grammar.Parsing;

namespace HelixFlow.Engine.Grammar.Text;

/// <summary>Reads GBNF, the notation of llama.cpp's grammars and of most "EBNF" that servers take: <c>root ::= "yes" | "no"</c>.</summary>
/// <remarks>https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md.</remarks>
internal sealed class GbnfReader
{
    private const int MaxDepth = 200;

    private readonly TextScanner _text;
    private readonly RegexPool _pool;
    private readonly GrammarText _grammar;
    private int _depth;

    private GbnfReader(string text, GrammarBuilder builder)
    {
        _text = new TextScanner(text);
        _pool = builder.Pool;
        _grammar = new GrammarText(builder);
    }

    /// <summary>The symbol of the rule <c>root</c>.</summary>
    /// <exception cref="GrammarException">The text is no such grammar.</exception>
    public static Symbol Read(string text, GrammarBuilder builder)
    {
        var reader = new GbnfReader(text, builder);
        reader.ReadRules();
        return reader._grammar.Write("root");
    }

    private void ReadRules()
    {
        _text.SkipSpace("#", lines: true);
        while (!_text.IsAtEnd)
        {
            string place = _text.Place;
            string name = ReadName();
            _text.SkipSpace("#", lines: true);
            _text.Expect("::=");
            _grammar.Add(name, ReadAlternatives(nested: false), place);
            _text.SkipSpace("#", lines: true);
        }
    }

    private string ReadName()
    {
        string name = _text.TakeWhile(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');
        return name.Length > 0 ? name : throw _text.Error("the name of a rule is expected here");
    }

    private RuleBody ReadAlternatives(bool nested)
    {
        if (++_depth > MaxDepth)
        {
            throw _text.Error($"groups are nested more than {MaxDepth} deep");
        }

        var choices = new List<RuleBody>();
        do
        {
            choices.Add(ReadSequence(nested));
        }
        while (_text.TryTake("|"));

        _depth--;
        return choices.Count == 1 ? choices[0] : new RuleBody.Alternatives(choices);
    }

    private RuleBody.Sequence ReadSequence(bool nested)
    {
        var parts = new List<RuleBody>();
        while (true)
        {
            // A line that starts with another rule ends this one; otherwise lines may be broken before '|' and inside of groups.
            int before = _text.At;
            _text.SkipSpace("#", lines: true);
            if (_text.IsAtEnd || _text.Current is '|' or ')')
            {
                return new RuleBody.Sequence(parts);
            }

            if (!nested && IsRuleStart())
            {
                _text.At = before;
                return new RuleBody.Sequence(parts);
            }

            parts.Add(ReadRepetitions(ReadPart()));
        }
    }

    private bool IsRuleStart()
    {
        int before = _text.At;
        string name = _text.TakeWhile(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');
        _text.SkipSpace("#", lines: true);
        bool isStart = name.Length > 0 && _text.TryTake("::=");
        _text.At = before;
        return isStart;
    }

    private RuleBody ReadPart()
    {
        string place = _text.Place;
        switch (_text.Current)
        {
            case '"':
                return new RuleBody.Characters(_pool.Literal(Encoding.UTF8.GetBytes(ReadLiteral())));
            case '[':
                return new RuleBody.Characters(Utf8Coding.Instance.Write(_pool, ReadClass()));
            case '.':
                _text.At++;
                return new RuleBody.Characters(Utf8Coding.Instance.Write(_pool, CodePoints.All));
            case '(':
                _text.At++;
                RuleBody inner = ReadAlternatives(nested: true);
                _text.SkipSpace("#", lines: true);
                _text.Expect(")");
                return inner;
            default:
                return new RuleBody.Reference(ReadName(), $"the grammar, {place}");
        }
    }

    private RuleBody ReadRepetitions(RuleBody part)
    {
        while (true)
        {
            if (_text.TryTake("*"))
            {
                part = new RuleBody.Repetition(part, 0, RegexPool.Unbounded);
            }
            else if (_text.TryTake("+"))
            {
                part = new RuleBody.Repetition(part, 1, RegexPool.Unbounded);
            }
            else if (_text.TryTake("?"))
            {
                part = new RuleBody.Repetition(part, 0, 1);
            }
            else if (_text.TryTake("{"))
            {
                part = ReadBounds(part);
            }
            else
            {
                return part;
            }
        }
    }

    private RuleBody.Repetition ReadBounds(RuleBody part)
    {
        int min = _text.Current == ',' ? 0 : _text.TakeNumber();
        int max = min;
        if (_text.TryTake(","))
        {
            max = _text.Current == '}' ? RegexPool.Unbounded : _text.TakeNumber();
        }

        _text.Expect("}");
        return max >= min ? new RuleBody.Repetition(part, min, max) : throw _text.Error("the bounds of a repetition are in the wrong order");
    }

    private string ReadLiteral()
    {
        _text.Expect("\"");
        var literal = new StringBuilder();
        while (!_text.TryTake("\""))
        {
            literal.Append(new Rune(_text.TakeCharacter()).ToString());
        }

        return literal.ToString();
    }

    private CodePoints ReadClass()
    {
        _text.Expect("[");
        bool negated = _text.TryTake("^");
        CodePoints set = CodePoints.None;
        while (!_text.TryTake("]"))
        {
            int first = _text.TakeCharacter();
            int last = first;
            if (_text.Current == '-' && _text.Peek(1) != ']')
            {
                _text.At++;
                last = _text.TakeCharacter();
            }

            set |= last >= first ? CodePoints.Range(first, last) : throw _text.Error("a range has its ends in the wrong order");
        }

        return negated ? ~set : set;
    }
}
