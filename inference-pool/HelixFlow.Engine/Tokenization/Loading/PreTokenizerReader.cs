using System.Text;
using HelixFlow.Engine.Tokenization.PreTokenizers;

namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>Reads the <c>pre_tokenizer</c> section of tokenizer.json.</summary>
internal static class PreTokenizerReader
{
    private static readonly Components<PreTokenizer> Components = new("pre-tokenizer", new()
    {
        ["ByteLevel"] = field => new ByteLevelSplit(field.FindBoolean("add_prefix_space", true), field.FindBoolean("use_regex", true)),
        ["Split"] = field => new SplitPreTokenizer(
            PatternReader.Read(field.Require("pattern")), ReadBehavior(field.Require("behavior")), field.FindBoolean("invert", false)),
        ["Digits"] = field => field.FindBoolean("individual_digits", false)
            ? new SplitPreTokenizer(ClassPattern.SingleDigits, SplitBehavior.Isolated, invert: false)
            : OfClass(Rune.IsNumber, runs: true, SplitBehavior.Isolated),
        ["Metaspace"] = field => new MetaspaceSplit(
            field.Find("replacement")?.AsChar() ?? '\u2581', Metaspace.SchemeOf(field), field.FindBoolean("split", true)),
        ["Whitespace"] = _ => new SequencePreTokenizer(
        [
            OfClass(Rune.IsWhiteSpace, runs: true, SplitBehavior.Removed),
            OfClass(CharacterClasses.IsWord, runs: true, SplitBehavior.Isolated),
        ]),
        ["WhitespaceSplit"] = _ => OfClass(Rune.IsWhiteSpace, runs: true, SplitBehavior.Removed),
        ["Punctuation"] = field => OfClass(
            CharacterClasses.IsPunctuation,
            runs: false,
            field.Find("behavior") is { } behavior ? ReadBehavior(behavior) : SplitBehavior.Isolated),
        ["BertPreTokenizer"] = _ => MakeBert(),
        ["CharDelimiterSplit"] = field => new SplitPreTokenizer(
            new LiteralPattern(field.Require("delimiter").AsChar().ToString()), SplitBehavior.Removed, invert: false),
        ["Sequence"] = field => ReadSequence(field.Require("pretokenizers")),
    });

    public static PreTokenizer Read(JsonField field) => Components.Read(field);

    /// <summary>Words between white space, with every punctuation sign on its own.</summary>
    public static SequencePreTokenizer MakeBert() => new(
    [
        OfClass(Rune.IsWhiteSpace, runs: true, SplitBehavior.Removed),
        OfClass(CharacterClasses.IsPunctuation, runs: false, SplitBehavior.Isolated),
    ]);

    private static SplitPreTokenizer OfClass(Func<Rune, bool> contains, bool runs, SplitBehavior behavior) =>
        new(new ClassPattern(contains, runs), behavior, invert: false);

    private static SequencePreTokenizer ReadSequence(JsonField list)
    {
        var steps = new List<PreTokenizer>();
        foreach (var item in list.Items())
        {
            var step = Read(item);
            if (step is SequencePreTokenizer inner)
            {
                steps.AddRange(inner.Steps);
            }
            else
            {
                steps.Add(step);
            }
        }

        return new SequencePreTokenizer(steps);
    }

    private static SplitBehavior ReadBehavior(JsonField field) => field.AsString() switch
    {
        "Removed" => SplitBehavior.Removed,
        "Isolated" => SplitBehavior.Isolated,
        "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
        "MergedWithNext" => SplitBehavior.MergedWithNext,
        "Contiguous" => SplitBehavior.Contiguous,
        var other => throw field.Error(
            $"is \"{other}\"; known are Removed, Isolated, MergedWithPrevious, MergedWithNext and Contiguous"),
    };
}
