using System.Text;
using HelixFlow.Engine.Grammar.Lexical;
using HelixFlow.Engine.Grammar.Parsing;

namespace HelixFlow.Engine.Grammar.Json;

/// <summary>The expressions that JSON texts are made of (RFC 8259), or what stands for them in another notation.</summary>
internal sealed class JsonLexemes
{
    private const int MostBlanks = 24; // six levels of four, twelve of two; deeper ones go on with less
    private const int MostTabs = 12;

    private readonly int _unquotable; // texts that would end a string in their midst

    /// <param name="builder">Of the grammar that they are for.</param>
    /// <param name="whiteSpace">What may stand between tokens.</param>
    /// <param name="notation">The notation; of <see cref="ArgumentNotation.Xml"/>, values that are not text.</param>
    public JsonLexemes(GrammarBuilder builder, JsonWhiteSpace whiteSpace, ArgumentNotation notation = ArgumentNotation.Json)
    {
        RegexPool pool = Pool = builder.Pool;
        Notation = notation;
        bool isRaw = notation is ArgumentNotation.Gemma or ArgumentNotation.Text;
        bool isSpaced = !isRaw && whiteSpace != JsonWhiteSpace.Compact;
        Coding = isRaw ? Utf8Coding.Instance : JsonStringCoding.Instance;
        Gap = isSpaced ? Optional(pool, " ") : RegexPool.Empty;
        Space = isSpaced && whiteSpace == JsonWhiteSpace.Indented
            ? pool.Or(Gap, RegexParser.ParseWhole($@"\r?\n([ ]{{0,{MostBlanks}}}|\t{{0,{MostTabs}}})", pool, Utf8Coding.Instance))
            : Gap;
        Character = Coding.Write(pool, CodePoints.All);
        Body = pool.Repeat(Character, 0, RegexPool.Unbounded);
        if (notation is ArgumentNotation.Json or ArgumentNotation.Xml)
        {
            int plain = Utf8Coding.Instance.Write(pool, ~(CodePoints.Range(0, 0x1F) | CodePoints.Of('"', '\\')));
            int escape = pool.Concat(Literal("\\"), pool.Or(RegexParser.ParseWhole(@"[""\\/bfnrt]", pool, Utf8Coding.Instance), UnicodeEscape(pool)));
            AnyBody = pool.Repeat(pool.Or(plain, escape), 0, RegexPool.Unbounded);
        }
        else
        {
            AnyBody = Body;
        }

        Integer = RegexParser.ParseWhole("-?(0|[1-9][0-9]*)", pool, Utf8Coding.Instance);
        Number = RegexParser.ParseWhole(@"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", pool, Utf8Coding.Instance);
        CanonicalNumber = RegexParser.ParseWhole(@"-?(0\.[0-9]*[1-9]|[1-9][0-9]*(\.[0-9]*[1-9])?)|0", pool, Utf8Coding.Instance);
        bool isPython = notation == ArgumentNotation.Python;
        True = Literal(isPython ? "True" : "true");
        False = Literal(isPython ? "False" : "false");
        Null = Literal(isPython ? "None" : "null");
        Constants = pool.Or(True, False, Null);
        Quote = notation switch
        {
            ArgumentNotation.Gemma => pool.Literal(builder.MarkerBytes(ArgumentNotations.GemmaQuote)),
            ArgumentNotation.Text => RegexPool.Empty,
            _ => Literal("\""),
        };
        _unquotable = notation switch
        {
            ArgumentNotation.Gemma => pool.Or(Holding(ArgumentNotations.GemmaQuote), Holding(ArgumentNotations.GemmaEnd)),
            ArgumentNotation.Text or ArgumentNotation.Xml => Holding(ArgumentNotations.XmlValueEnd),
            _ => RegexPool.Nothing,
        };
        Enter();
    }

    public ArgumentNotation Notation { get; }

    /// <summary>How characters of strings are written.</summary>
    public ICharacterCoding Coding { get; }

    public RegexPool Pool { get; }

    /// <summary>White space after a bracket or comma, and before a closing bracket. Bounded, or a model could go on with it for ever.</summary>
    public int Space { get; }

    /// <summary>White space after a colon.</summary>
    public int Gap { get; }

    /// <summary>What may stand between a string's quotes, however it is escaped.</summary>
    public int AnyBody { get; }

    /// <summary>What may stand between a string's quotes, every character in its one writing (<see cref="JsonStringCoding"/>).</summary>
    public int Body { get; }

    /// <summary>One character of <see cref="Body"/>.</summary>
    public int Character { get; }

    public int Integer { get; }

    public int Number { get; }

    /// <summary>Numbers in the one writing that has neither an exponent nor needless zeros.</summary>
    public int CanonicalNumber { get; }

    /// <summary>true, false and null.</summary>
    public int Constants { get; }

    public int True { get; }

    public int False { get; }

    public int Null { get; }

    public int Quote { get; }

    public int Literal(string text) => Pool.Literal(Encoding.UTF8.GetBytes(text));

    /// <summary>This text as a string's body.</summary>
    public int Text(string text)
    {
        var parts = new List<int>();
        foreach (Rune rune in text.EnumerateRunes())
        {
            parts.Add(Coding.Write(Pool, CodePoints.Of(rune.Value)));
        }

        return Pool.Concat([.. parts]);
    }

    /// <summary>A string whose body matches an expression.</summary>
    public int String(int body) => Pool.Concat(Quote, _unquotable == RegexPool.Nothing ? body : Pool.And(body, Pool.Not(_unquotable)), Quote);

    /// <summary>What stands between a member's or element's value and the next one.</summary>
    public int Separator() => Pool.Concat(Literal(","), Space);

    /// <summary>Has the pool keep strings simple that are nothing but strings of this notation: before expressions are combined.</summary>
    public void Enter() => Pool.Whole = AnyBody; // whatever constrains strings allows bodies of strings only

    private int Holding(string text) => Pool.Concat(Pool.Anything, Literal(text), Pool.Anything);

    private static int Optional(RegexPool pool, string text) => pool.Optional(pool.Literal(Encoding.UTF8.GetBytes(text)));

    // A surrogate stands in a pair only: clients could not decode a lone one.
    private static int UnicodeEscape(RegexPool pool) => RegexParser.ParseWhole(
        "u([0-9a-ce-fA-CE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2})", pool, Utf8Coding.Instance);
}
