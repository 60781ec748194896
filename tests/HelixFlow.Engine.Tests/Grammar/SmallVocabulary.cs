using System.Text;
using HelixFlow.Engine.Grammar;

namespace HelixFlow.Engine.Tests.Grammar;

/// <summary>A vocabulary with every byte and with tokens that reach over the seams of JSON texts.</summary>
internal static class SmallVocabulary
{
    private static readonly string[] _texts =
    [
        "\"", "\",", "\", \"", "\":", "\": ", "\": \"", "{\"", "\"}", "},", "}, {", "[{\"", "]", "],", "[]", "{}", "\"]", "\n  ", ",\n", " \"", "{\n", "\n}", "true", "false", "null", "tr", "ue",
        "10", "12", "2024", "-1", "0.", ".5", "1e", "id", "name", "a", "ab", "abc", "foo", "bar", "baz", "quux", "foo\"", "\"foo\": ", "é", "日本", "日", "👍", "\\n", "\\\"", "\\u00", "The ", " and", "value",
    ];

    public static GrammarVocabulary Instance { get; } = Create();

    public static int Size { get; } = 256 + _texts.Length + 3;

    private static GrammarVocabulary Create()
    {
        var tokens = new List<KeyValuePair<int, byte[]>>();
        for (int value = 0; value < 256; value++)
        {
            tokens.Add(new(value, [(byte)value]));
        }

        foreach (string text in _texts)
        {
            tokens.Add(new(tokens.Count, Encoding.UTF8.GetBytes(text)));
        }

        return new GrammarVocabulary(tokens, tokens.Count + 3);
    }

    public static bool Accepts(TokenGrammar grammar, string text)
    {
        GrammarMatcher matcher = grammar.CreateMatcher();
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        return (bytes.Length == 0 || matcher.TryAccept(bytes)) && matcher.MayEnd;
    }
}
