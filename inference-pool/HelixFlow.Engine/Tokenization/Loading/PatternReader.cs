using HelixFlow.Engine.Tokenization.PreTokenizers;

namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>Reads <c>{"String": …}</c> and <c>{"Regex": …}</c>.</summary>
internal static class PatternReader
{
    public static TextPattern Read(JsonField field)
    {
        if (field.FindString("String") is { } literal)
        {
            return literal.Length > 0 ? new LiteralPattern(literal) : throw field.Error("is an empty string");
        }

        if (field.FindString("Regex") is not { } pattern)
        {
            throw field.Error("should have a \"String\" or a \"Regex\"");
        }

        try
        {
            return FromRegex(pattern);
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
        {
            throw field.Error($"has the regular expression {pattern}, which is not supported: {exception.Message}", exception);
        }
    }

    /// <summary>A scanner written by hand where there is one.</summary>
    public static TextPattern FromRegex(string pattern) =>
        pattern == @"\p{N}" ? ClassPattern.SingleDigits
        : KnownScanner(pattern) is { } scanner ? new ScannerPattern(scanner)
        : new RegexPattern(RegexSyntax.Translate(pattern));

    private static WordScanner? KnownScanner(string pattern) => pattern switch
    {
        Gpt2Scanner.Pattern => Gpt2Scanner.Instance,
        Cl100kScanner.Llama3Pattern or Cl100kScanner.TiktokenPattern => new Cl100kScanner(maxDigits: 3),
        Cl100kScanner.Qwen2Pattern => new Cl100kScanner(maxDigits: 1),
        _ => null,
    };
}
