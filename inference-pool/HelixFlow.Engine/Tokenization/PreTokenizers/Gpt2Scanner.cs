namespace HelixFlow.Engine.Tokenization.PreTokenizers;

/// <summary>GPT-2's words: a contraction's ending, letters, numbers or symbols with one space before, or white space.</summary>
internal sealed class Gpt2Scanner : WordScanner
{
    public const string Pattern =
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public static readonly Gpt2Scanner Instance = new();

    public override int WordEnd(ReadOnlySpan<char> text, int start)
    {
        var at = start;
        if (text[at] == '\'' && ContractionLength(text, at, ignoreCase: false) is > 0 and var length)
        {
            return at + length;
        }

        if (text[at] == ' ' && at + 1 < text.Length)
        {
            at++;
        }

        var kinds = CharClass.At(text, at, out _);
        if ((kinds & CharKinds.Letter) != 0)
        {
            return RunEnd(text, at, CharKinds.Letter);
        }

        if ((kinds & CharKinds.Number) != 0)
        {
            return RunEnd(text, at, CharKinds.Number);
        }

        return (kinds & CharKinds.Space) == 0
            ? SymbolsEnd(text, at)
            : SpacesEnd(text, start, RunEnd(text, start, CharKinds.Space));
    }
}
