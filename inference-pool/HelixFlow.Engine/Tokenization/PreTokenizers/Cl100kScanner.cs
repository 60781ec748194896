namespace HelixFlow.Engine.Tokenization.PreTokenizers;

/// <summary>
/// The words of OpenAI's cl100k and of the families that follow it: letters with one other character before them, numbers of
/// at most so many digits, symbols with one space before and line ends after them, line ends, white space.
/// </summary>
internal sealed class Cl100kScanner(int maxDigits) : WordScanner
{
    public const string Llama3Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public const string Qwen2Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public const string TiktokenPattern =
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";

    public override int WordEnd(ReadOnlySpan<char> text, int start)
    {
        var first = text[start];
        if (first == ' ' && start + 1 < text.Length && char.IsAsciiLetter(text[start + 1]))
        {
            return LettersEnd(text, start + 2);
        }

        var kinds = CharClass.At(text, start, out var length);
        if ((kinds & CharKinds.Letter) != 0)
        {
            return LettersEnd(text, start + length);
        }

        if ((kinds & CharKinds.Number) != 0)
        {
            return NumberEnd(text, start + length);
        }

        if (first == '\'' && ContractionLength(text, start, ignoreCase: true) is > 0 and var contraction)
        {
            return start + contraction;
        }

        var next = start + length < text.Length ? CharClass.At(text, start + length, out _) : CharKinds.Space;
        if ((next & CharKinds.Letter) != 0 && (kinds & CharKinds.NewLine) == 0)
        {
            return LettersEnd(text, start + length);
        }

        if (IsSymbol(kinds) || (first == ' ' && IsSymbol(next)))
        {
            var end = SymbolsEnd(text, start + length);
            while (end < text.Length && text[end] is '\r' or '\n')
            {
                end++;
            }

            return end;
        }

        var runEnd = RunEnd(text, start, CharKinds.Space);
        var lastNewLine = text[start..runEnd].LastIndexOfAny('\r', '\n');
        return lastNewLine >= 0 ? start + lastNewLine + 1 : SpacesEnd(text, start, runEnd);
    }

    private int NumberEnd(ReadOnlySpan<char> text, int at)
    {
        for (var digits = 1; digits < maxDigits && at < text.Length; digits++)
        {
            if ((CharClass.At(text, at, out var length) & CharKinds.Number) == 0)
            {
                break;
            }

            at += length;
        }

        return at;
    }
}
