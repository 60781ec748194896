using System.Text;
using HelixFlow.Engine.Grammar.Lexical;

namespace HelixFlow.Engine.Grammar.Json;

/// <summary>The expressions that JSON texts are made of (RFC 8259).</summary>
internal sealed class JsonLexemes
{
    public JsonLexemes(RegexPool pool)
    {
        Pool = pool;
        Space = RegexParser.ParseWhole(@"[ \t]{0,2}(\r?\n[ \t]{0,64})?", pool, Utf8Coding.Instance);
        int plain = Utf8Coding.Instance.Write(pool, ~(CodePoints.Range(0, 0x1F) | CodePoints.Of('"', '\\')));
        int escape = pool.Concat(Literal("\\"), pool.Or(RegexParser.ParseWhole(@"[""\\/bfnrt]", pool, Utf8Coding.Instance), UnicodeEscape(pool)));
        AnyBody = pool.Repeat(pool.Or(plain, escape), 0, RegexPool.Unbounded);
        pool.Whole = AnyBody; // whatever constrains strings allows bodies of strings only
        Character = JsonStringCoding.Instance.Write(pool, CodePoints.All);
        Body = pool.Repeat(Character, 0, RegexPool.Unbounded);
        Integer = RegexParser.ParseWhole("-?(0|[1-9][0-9]*)", pool, Utf8Coding.Instance);
        Number = RegexParser.ParseWhole(@"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", pool, Utf8Coding.Instance);
        CanonicalNumber = RegexParser.ParseWhole(@"-?(0\.[0-9]*[1-9]|[1-9][0-9]*(\.[0-9]*[1-9])?)|0", pool, Utf8Coding.Instance);
        Constants = pool.Or(Literal("true"), Literal("false"), Literal("null"));
        Quote = Literal("\"");
    }

    public RegexPool Pool { get; }

    /// <summary>White space between tokens: none, a blank or two, or a new line with its indentation. Bounded, or a model could go on with it for ever.</summary>
    public int Space { get; }

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

    public int Quote { get; }

    public int Literal(string text) => Pool.Literal(Encoding.UTF8.GetBytes(text));

    /// <summary>A string whose body matches an expression.</summary>
    public int String(int body) => Pool.Concat(Quote, body, Quote);

    /// <summary>A mark such as a comma, with white space around it.</summary>
    public int Mark(string mark) => Pool.Concat(Space, Literal(mark), Space);

    // A surrogate stands in a pair only: clients could not decode a lone one.
    private static int UnicodeEscape(RegexPool pool) => RegexParser.ParseWhole(
        "u([0-9a-ce-fA-CE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2})", pool, Utf8Coding.Instance);
}
