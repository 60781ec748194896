using System.Text;
using HelixFlow.Engine.Tokenization.PreTokenizers;

namespace HelixFlow.Engine.Tokenization.Normalizers;

/// <summary>One normalizer after the other.</summary>
internal sealed class SequenceNormalizer(IReadOnlyList<Normalizer> steps) : Normalizer
{
    public override bool Removes(string literal) => steps.Count > 0 && steps[^1].Removes(literal);

    public override string Normalize(string text)
    {
        foreach (var step in steps)
        {
            text = step.Normalize(text);
        }

        return text;
    }
}

/// <summary>Any function of the text.</summary>
internal sealed class FunctionNormalizer(Func<string, string> function) : Normalizer
{
    public override string Normalize(string text) => function(text);
}

/// <summary>Replaces a pattern.</summary>
internal sealed class ReplaceNormalizer(TextPattern pattern, string content) : Normalizer
{
    public override bool Removes(string literal) =>
        pattern is LiteralPattern { Literal: var found } && found == literal && literal.Length == 1 && !content.Contains(literal, StringComparison.Ordinal);

    public override string Normalize(string text) => pattern.Replace(text, content);
}

/// <summary>Replaces or drops characters one by one.</summary>
/// <param name="map">The character instead, or null to drop it.</param>
internal sealed class CharacterNormalizer(Func<Rune, Rune?> map) : Normalizer
{
    public override string Normalize(string text)
    {
        var result = new StringBuilder(text.Length);
        Span<char> units = stackalloc char[2];
        foreach (var rune in text.EnumerateRunes())
        {
            if (map(rune) is { } other)
            {
                result.Append(units[..other.EncodeToUtf16(units)]);
            }
        }

        return result.ToString();
    }
}
