using System.Text.Json;

namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>Where a text starts and generation ends, gathered from the files beside tokenizer.json.</summary>
internal sealed record SpecialTokens(Template Template, int? BosId, int? EosId, IReadOnlyCollection<int> EndIds)
{
    /// <summary>Texts of special tokens that end a turn in the known chat formats; files often forget to list them.</summary>
    private static readonly string[] EndTexts =
    [
        "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|endoftext|>", "<|end_of_text|>", "<|return|>",
        "<|end_of_turn|>", "<end_of_utterance>", "<EOT>", "<turn|>",
    ];

    public static SpecialTokens Read(string folder, Vocabulary vocabulary, IReadOnlyList<AddedToken> added, Template template)
    {
        using var config = JsonFile.OpenIfPresent(Path.Combine(folder, "tokenizer_config.json"));
        using var map = JsonFile.OpenIfPresent(Path.Combine(folder, "special_tokens_map.json"));
        using var generation = JsonFile.OpenIfPresent(Path.Combine(folder, "generation_config.json"));
        int? Find(string name) => FindToken(config?.Root, name, vocabulary) ?? FindToken(map?.Root, name, vocabulary);

        var ends = EndsIn(vocabulary, added.Where(token => token.Special).Select(token => token.Id));
        var eos = Find("eos_token");
        AddIfKnown(ends, eos);
        foreach (var id in ReadIds(generation?.Root, "eos_token_id"))
        {
            AddIfKnown(ends, vocabulary[id] is null ? null : id);
        }

        var bos = Find("bos_token");
        if (bos is null && ReadIds(generation?.Root, "bos_token_id") is [var first] && vocabulary[first] is not null)
        {
            bos = first;
        }

        return new SpecialTokens(Adjust(template, config?.Root, bos, eos), bos, eos, ends);
    }

    /// <summary>Those of the special ids whose text ends a turn in a known chat format.</summary>
    public static HashSet<int> EndsIn(Vocabulary vocabulary, IEnumerable<int> specialIds) =>
        [.. specialIds.Where(id => EndTexts.Contains(vocabulary[id]))];

    private static void AddIfKnown(HashSet<int> ends, int? id)
    {
        if (id is { } known)
        {
            ends.Add(known);
        }
    }

    // A token is written as its text or as an object with its text.
    private static int? FindToken(JsonField? root, string name, Vocabulary vocabulary)
    {
        var field = root?.Find(name);
        var text = field?.Kind == JsonValueKind.Object ? field?.FindString("content") : field?.AsString();
        return text is not null && vocabulary.Find(text) is >= 0 and var id ? id : null;
    }

    private static List<int> ReadIds(JsonField? root, string name) => root?.Find(name) is not { } field ? []
        : field.Kind == JsonValueKind.Array ? [.. field.Items().Select(item => item.AsInt32())]
        : [field.AsInt32()];

    // Only these classes build their template from the two switches; all others go by the post-processor alone.
    private static Template Adjust(Template template, JsonField? config, int? bos, int? eos)
    {
        var type = config?.FindString("tokenizer_class") ?? "";
        if (!type.StartsWith("Llama", StringComparison.Ordinal) && !type.StartsWith("CodeLlama", StringComparison.Ordinal)
            && !type.StartsWith("Gemma", StringComparison.Ordinal))
        {
            return template;
        }

        return new Template(
            config?.Find("add_bos_token")?.AsBoolean() is { } addBos ? (addBos && bos is { } start ? [start] : []) : template.Prefix,
            config?.Find("add_eos_token")?.AsBoolean() is { } addEos ? (addEos && eos is { } end ? [end] : []) : template.Suffix);
    }
}
