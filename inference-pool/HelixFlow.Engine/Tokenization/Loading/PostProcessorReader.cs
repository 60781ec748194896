namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>Reads the <c>post_processor</c> section of tokenizer.json, as far as single texts go.</summary>
internal static class PostProcessorReader
{
    public static Template Read(JsonField field, Vocabulary vocabulary)
    {
        Components<Template>? all = null;
        all = new Components<Template>("post-processor", new()
        {
            ["TemplateProcessing"] = item => ReadTemplate(item, vocabulary),
            ["ByteLevel"] = _ => Template.Empty,
            ["BertProcessing"] = item => new Template([ReadToken(item.Require("cls"))], [ReadToken(item.Require("sep"))]),
            ["RobertaProcessing"] = item => new Template([ReadToken(item.Require("cls"))], [ReadToken(item.Require("sep"))]),
            ["Sequence"] = item => item.Require("processors").Items().Select(part => all!.Read(part)).Aggregate(
                Template.Empty,
                (inner, outer) => new Template([.. outer.Prefix, .. inner.Prefix], [.. inner.Suffix, .. outer.Suffix])),
        });
        return all.Read(field);
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

        return new Template(prefix, suffix);
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
