namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>Reads the <c>post_processor</c> section of tokenizer.json, as far as the ids around texts go.</summary>
internal static class PostProcessorReader
{
    public static Template Read(JsonField field, Vocabulary vocabulary)
    {
        Components<Template>? all = null;
        all = new Components<Template>("post-processor", new()
        {
            ["TemplateProcessing"] = item => ReadTemplate(item, vocabulary),
            ["ByteLevel"] = _ => Template.Empty,
            ["BertProcessing"] = item => ReadProcessing(item, separators: 1),
            ["RobertaProcessing"] = item => ReadProcessing(item, separators: 2),
            ["Sequence"] = item => item.Require("processors").Items().Select(part => all!.Read(part)).Aggregate(
                Template.Empty,
                (inner, outer) => new Template([.. outer.Prefix, .. inner.Prefix], [.. inner.Suffix, .. outer.Suffix]) { Pair = inner.Pair ?? outer.Pair }),
        });
        return all.Read(field);
    }

    private static Template ReadProcessing(JsonField item, int separators)
    {
        int start = ReadToken(item.Require("cls"));
        int end = ReadToken(item.Require("sep"));
        return new Template([start], [end]) { Pair = new PairTemplate([start], [.. Enumerable.Repeat(end, separators)], [end]) };
    }

    private static int ReadToken(JsonField pair) => pair.Items().ElementAtOrDefault(1) is { File: not null } id
        ? id.AsInt32()
        : throw pair.Error("should be a list of a token and its id");

    private static Template ReadTemplate(JsonField field, Vocabulary vocabulary)
    {
        var prefix = new List<int>();
        var suffix = new List<int>();
        var after = false;
        foreach (var item in field.Require("single").Items())
        {
            if (item.Find("Sequence") is not null)
            {
                after = true;
                continue;
            }

            var name = item.Require("SpecialToken").Require("id").AsString();
            (after ? suffix : prefix).AddRange(ReadIds(field, name, vocabulary));
        }

        return new Template(prefix, suffix) { Pair = field.Find("pair") is { } pair && pair.Items().Any() ? ReadPair(field, pair, vocabulary) : null };
    }

    private static PairTemplate ReadPair(JsonField field, JsonField pair, Vocabulary vocabulary)
    {
        List<int>[] parts = [[], [], []]; // before the first text, before the second, after it
        var texts = 0;
        foreach (var item in pair.Items())
        {
            if (item.Find("Sequence") is { } sequence)
            {
                string expected = texts == 0 ? "A" : "B";
                texts = texts < 2 && sequence.Require("id").AsString() == expected
                    ? texts + 1
                    : throw item.Error("should be the first text (\"A\") and then the second (\"B\"), each once");
                continue;
            }

            parts[texts].AddRange(ReadIds(field, item.Require("SpecialToken").Require("id").AsString(), vocabulary));
        }

        return texts == 2 ? new PairTemplate(parts[0], parts[1], parts[2]) : throw pair.Error("should have two texts");
    }

    private static List<int> ReadIds(JsonField field, string name, Vocabulary vocabulary)
    {
        if (field.Find("special_tokens")?.Find(name) is { } token)
        {
            return token.Require("ids").Items().Select(id => id.AsInt32()).ToList();
        }

        return vocabulary.Find(name) is >= 0 and var known
            ? [known]
            : throw field.Error($"names the special token \"{name}\", which is not in the vocabulary");
    }
}
