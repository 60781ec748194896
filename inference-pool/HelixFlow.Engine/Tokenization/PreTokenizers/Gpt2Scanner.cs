namespace HelixFlow.Engine.Tokenization.PreTokenizers;

/// <summary>GPT-2's words: a contraction's ending, letters, numbers or symbols with one space before, or white space.</summary>
/// <param name="singleDigits">Every \p{N} is cut out first, as StarCoder and its followers do.</param>
internal sealed class Gpt2Scanner(bool singleDigits) : WordScanner
{
    public const string Pattern =
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public static readonly Gpt2Scanner Instance = new(singleDigits: false);
    public static readonly Gpt2Scanner WithSingleDigits = new(singleDigits: true);

    public override int WordEnd(ReadOnlySpan<char> text, int start)
    {
        var at = start;
        if (text[at] == ' ' && at + 1 < text.Length && char.IsAsciiLetter(text[at + 1]))
        {
            return LettersEnd(text, at + 2);
        }

        if (text[at] == '\'' && ContractionLength(text, at, ignoreCase: false) is > 0 and var length)
        {
            return at + length;
        }

        if (text[at] == ' ' && at + 1 < text.Length)
        {
            at++;
        }

        var kinds = CharClass.At(text, at, out var width);
        if ((kinds & CharKinds.Letter) != 0)
        {
            return LettersEnd(text, at + width);
        }

        if ((kinds & CharKinds.Number) != 0)
        {
            // Where digits are cut out, a space before one stands alone.
            return !singleDigits ? RunEnd(text, at, CharKinds.Number) : at == start ? at + width : at;
        }

        if ((kinds & CharKinds.Space) == 0)
        {
            return SymbolsEnd(text, at);
        }

        var runEnd = RunEnd(text, start, CharKinds.Space);
        var endsAtDigit = singleDigits && runEnd < text.Length && (CharClass.At(text, runEnd, out _) & CharKinds.Number) != 0;
        return endsAtDigit ? runEnd : SpacesEnd(text, start, runEnd);
    }
}
