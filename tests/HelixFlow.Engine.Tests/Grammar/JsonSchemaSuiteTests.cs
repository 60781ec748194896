using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Engine.Grammar;

namespace HelixFlow.Engine.Tests.Grammar;

/// <summary>The official JSON-Schema-Test-Suite, draft 2020-12: what a grammar accepts is what the suite calls valid.</summary>
public sealed class JsonSchemaSuiteTests(ITestOutputHelper output)
{
    private const string Suite = "/usr/share/perl5/auto/share/dist/Test-JSON-Schema-Acceptance/tests/draft2020-12";

    [Fact]
    public void Nothing_invalid_is_accepted_and_what_is_valid_can_be_written()
    {
        Assert.SkipUnless(Directory.Exists(Suite), "Install libtest-json-schema-acceptance-perl to run the JSON-Schema-Test-Suite.");
        int cases = 0;
        var refused = new List<string>();
        var blocked = new List<string>();
        var wrong = new List<string>();
        foreach (string file in Directory.EnumerateFiles(Suite, "*.json").Order(StringComparer.Ordinal))
        {
            using JsonDocument groups = JsonDocument.Parse(File.ReadAllText(file));
            foreach (JsonElement group in groups.RootElement.EnumerateArray())
            {
                string name = $"{Path.GetFileNameWithoutExtension(file)}: {group.GetProperty("description").GetString()}";
                TokenGrammar grammar;
                try
                {
                    grammar = new Constraint.JsonSchema(group.GetProperty("schema").GetRawText()).Compile(SmallVocabulary.Instance);
                }
                catch (GrammarException exception)
                {
                    if (exception.Message.Contains("no text at all", StringComparison.Ordinal))
                    {
                        Check(group, name, _ => false);
                    }
                    else
                    {
                        refused.Add($"{name}: {exception.Message}");
                    }

                    continue;
                }

                Check(group, name, text => SmallVocabulary.Accepts(grammar, text));
            }
        }

        void Check(JsonElement group, string name, Func<string, bool> accepts)
        {
            foreach (JsonElement test in group.GetProperty("tests").EnumerateArray())
            {
                cases++;
                string title = $"{name}: {test.GetProperty("description").GetString()}";
                bool accepted = Writings(test.GetProperty("data")).Take(2000).Any(accepts);
                if (accepted && !test.GetProperty("valid").GetBoolean())
                {
                    wrong.Add(title);
                }
                else if (!accepted && test.GetProperty("valid").GetBoolean())
                {
                    blocked.Add(title);
                }
            }
        }

        output.WriteLine($"{cases} cases; groups refused: {refused.Count}; valid but not written: {blocked.Count}; invalid but accepted: {wrong.Count}");
        foreach (string line in wrong.Select(line => $"WRONG {line}").Concat(blocked.Select(line => $"BLOCKED {line}")).Concat(refused.Select(line => $"REFUSED {line}")))
        {
            output.WriteLine(line);
        }

        Assert.Empty(wrong);
        Assert.InRange(refused.Count, 0, 51); // keywords of which validity cannot be guaranteed: docs/structured-output.md
        Assert.InRange(blocked.Count, 0, 2); // an unevaluatedProperties over anyOf, and a metaschema that turns validation off
    }

    /// <summary>The value's texts in all orders of members, numbers as they stand and without exponent.</summary>
    private static IEnumerable<string> Writings(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                JsonProperty[] members = [.. value.EnumerateObject()];
                foreach (JsonProperty[] order in Orders(members))
                {
                    foreach (string[] texts in Product([.. order.Select(member => Writings(member.Value).ToArray())]))
                    {
                        yield return $"{{{string.Join(",", order.Zip(texts, (member, text) => $"{Quoted(member.Name)}:{text}"))}}}";
                    }
                }

                break;
            case JsonValueKind.Array:
                foreach (string[] texts in Product([.. value.EnumerateArray().Select(element => Writings(element).ToArray())]))
                {
                    yield return $"[{string.Join(", ", texts)}]";
                }

                break;
            case JsonValueKind.String:
                yield return Quoted(value.GetString()!);
                break;
            case JsonValueKind.Number:
                string raw = value.GetRawText();
                yield return raw;
                if (decimal.TryParse(raw, NumberStyles.Float, CultureInfo.InvariantCulture, out decimal number) && number.ToString("0.##########", CultureInfo.InvariantCulture) is { } plain && plain != raw)
                {
                    yield return plain;
                }

                break;
            default:
                yield return value.GetRawText();
                break;
        }
    }

    private static IEnumerable<T[]> Orders<T>(T[] items)
    {
        if (items.Length < 2 || items.Length > 6)
        {
            yield return items;
            yield break;
        }

        for (int i = 0; i < items.Length; i++)
        {
            foreach (T[] rest in Orders<T>([.. items[..i], .. items[(i + 1)..]]))
            {
                yield return [items[i], .. rest];
            }
        }
    }

    private static IEnumerable<string[]> Product(string[][] choices)
    {
        IEnumerable<string[]> all = [[]];
        return choices.Aggregate(all, (soFar, texts) => soFar.SelectMany(start => texts, (start, text) => (string[])[.. start, text]));
    }

    private static string Quoted(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (char c in text)
        {
            quoted.Append(c switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\b' => "\\b",
                '\f' => "\\f",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                < ' ' => $"\\u{(int)c:x4}",
                _ => c.ToString(),
            });
        }

        return quoted.Append('"').ToString();
    }
}
