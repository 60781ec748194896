using HelixFlow.Engine.Tokenization.Decoders;

namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>Reads the <c>decoder</c> section of tokenizer.json into <see cref="DecoderRules"/>.</summary>
internal sealed class DecoderReader
{
    private readonly Components<bool> _components;
    private readonly List<DecoderStep> _steps = [];
    private DecoderRules _rules = new();
    private bool _fused;

    private DecoderReader()
    {
        _components = new Components<bool>("decoder", new()
        {
            ["ByteLevel"] = _ => Set(_rules with { ByteLevel = true }),
            ["ByteFallback"] = _ => Set(_rules with { ByteFallback = true }),
            ["Fuse"] = _ => _fused = true,
            ["Replace"] = ReadReplace,
            ["Strip"] = ReadStrip,
            ["Metaspace"] = ReadMetaspace,
            ["WordPiece"] = ReadWordPiece,
            ["BPEDecoder"] = item => Set(_rules with { WordSuffix = item.FindString("suffix") ?? "</w>" }),
            ["Sequence"] = item => item.Require("decoders").Items().Aggregate(true, (_, part) => Read(part)),
        });
    }

    public static DecoderRules Read(JsonField? field)
    {
        var reader = new DecoderReader();
        if (field is { } decoder)
        {
            reader.Read(decoder);
        }
        else
        {
            reader.AddStep(static (token, first) => first ? token : " " + token, dependsOnFirst: true);
        }

        if (reader._rules.WordSuffix is { Length: > 0 } suffix)
        {
            reader.AddStep((token, _) => token.EndsWith(suffix, StringComparison.Ordinal) ? token[..^suffix.Length] : token);
        }

        return reader._rules with { Steps = reader._steps };
    }

    private bool Read(JsonField field) => _components.Read(field);

    private bool Set(DecoderRules rules)
    {
        _rules = rules;
        return true;
    }

    private bool AddStep(DecoderStep step, bool dependsOnFirst = false)
    {
        _steps.Add(step);
        return Set(_rules with { DependsOnFirst = _rules.DependsOnFirst || dependsOnFirst });
    }

    private bool ReadReplace(JsonField field)
    {
        var content = field.Require("content").AsString();
        if (field.Require("pattern").FindString("String") is not { Length: > 0 } literal)
        {
            var pattern = PatternReader.Read(field.Require("pattern"));
            return _fused
                ? throw field.Error("replaces a pattern in the joined text; decoders can only do that in single tokens")
                : AddStep((token, _) => pattern.Replace(token, content));
        }

        return _fused && literal.Length > 1
            ? throw field.Error("replaces several characters in the joined text; decoders can only do that in single tokens")
            : AddStep((token, _) => token.Replace(literal, content, StringComparison.Ordinal));
    }

    private bool ReadStrip(JsonField field)
    {
        var content = field.Require("content").AsChar();
        var start = field.Find("start")?.AsInt32() ?? 0;
        var stop = field.Find("stop")?.AsInt32() ?? 0;
        if (!_fused)
        {
            return AddStep((token, _) => Strip(token, content, start, stop));
        }

        return stop == 0
            ? Set(_rules with { LeadingChar = content, LeadingStrip = start })
            : throw field.Error("strips the end of the joined text; only its start can be stripped");
    }

    private static string Strip(string token, char content, int start, int stop)
    {
        var from = 0;
        while (from < start && from < token.Length && token[from] == content)
        {
            from++;
        }

        var to = token.Length;
        while (token.Length - to < stop && to > from && token[to - 1] == content)
        {
            to--;
        }

        return token[from..to];
    }

    private bool ReadMetaspace(JsonField field)
    {
        var mark = field.FindString("replacement") ?? "\u2581";
        var stripsFirst = Metaspace.SchemeOf(field) != PreTokenizers.PrependScheme.Never;
        return AddStep(
            (token, first) =>
            {
                var text = token.Replace(mark, " ", StringComparison.Ordinal);
                return first && stripsFirst && text.StartsWith(' ') ? text[1..] : text;
            },
            stripsFirst);
    }

    private bool ReadWordPiece(JsonField field)
    {
        var prefix = field.FindString("prefix") ?? "##";
        var cleanup = field.FindBoolean("cleanup", true);
        return AddStep(
            (token, first) =>
            {
                var text = first ? token
                    : token.StartsWith(prefix, StringComparison.Ordinal) ? token[prefix.Length..]
                    : " " + token;
                return cleanup ? CleanUp(text) : text;
            },
            dependsOnFirst: true);
    }

    private static string CleanUp(string text) => text
        .Replace(" .", ".", StringComparison.Ordinal)
        .Replace(" ?", "?", StringComparison.Ordinal)
        .Replace(" !", "!", StringComparison.Ordinal)
        .Replace(" ,", ",", StringComparison.Ordinal)
        .Replace(" ' ", "'", StringComparison.Ordinal)
        .Replace(" n't", "n't", StringComparison.Ordinal)
        .Replace(" 'm", "'m", StringComparison.Ordinal)
        .Replace(" 's", "'s", StringComparison.Ordinal)
        .Replace(" 've", "'ve", StringComparison.Ordinal)
        .Replace(" 're", "'re", StringComparison.Ordinal);
}
