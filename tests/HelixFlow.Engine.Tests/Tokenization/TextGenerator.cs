using System.Text;

namespace HelixFlow.Engine.Tests.Tokenization;

/// <summary>Makes texts of every script and of everything that goes wrong in texts. The same seed makes the same texts.</summary>
internal sealed class TextGenerator(int seed)
{
    private static readonly string[] Words =
    [
        "the", "server", "answers", "requests", "and", "keeps", "every", "token", "in", "memory", "HelixFlow", "don't", "we're", "I'll", "they've",
        "SHE'D", "it's", "I'M", "can't", "naïve", "Größe", "été", "señor", "Ærø", "łódź", "привет", "мир", "Ελληνικά", "λόγος", "שלום", "עולם",
        "مرحبا", "العربية", "नमस्ते", "हिन्दी", "ภาษาไทย", "สวัสดี", "こんにちは", "カタカナ", "漢字", "中文分词", "한국어", "안녕", "ქართული", "Հայերեն",
        "አማርኛ", "বাংলা", "தமிழ்", "ខ្មែរ", "ᐃᓄᒃᑎᑐᑦ", "𐌲𐌿𐍄", "𝒜𝓁𝑔", "𠮷野家", "ﬁne", "Ⅷ", "①②", "½", "x²", "e\u0301", "A\u030A", "ñ", "ﷺ",
    ];

    private static readonly string[] Signs =
    [
        "👍", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇯🇵🇫🇷", "❤️", "☃", "→", "…", "—", "“q”", "«»", "¿", "!!!", "?!", "...", ",", ";", ":", "(", ")", "[]",
        "{}", "<", ">", "/", "\\", "#", "@", "$5", "€", "%", "^", "&", "*", "_", "-", "+", "=", "~", "`", "|", "'", "\"", "''", "'s", "'RE", "§", "°",
    ];

    private static readonly string[] Spaces =
        [" ", " ", " ", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n", "\n ", " \n \n  ", "\u00A0", "\u2003", "\u3000", "\u2028", "\v", "        "];

    private static readonly string[] Oddities =
        ["\0", "\u0001", "\u001B[0m", "\u007F", "\u200B", "\u200D", "\u200E", "\u00AD", "\u0301", "\u0308\u0323", "\uFFFD", "\uE000", "\uD800", "\uDC00", "\uDBFFx", "\uFFFE"];

    // Blocks that have been stable for many versions of Unicode.
    private static readonly (int First, int Last)[] Blocks =
    [
        (0x21, 0x7E), (0xA1, 0x17F), (0x391, 0x3A1), (0x3B1, 0x3C9), (0x410, 0x44F), (0x5D0, 0x5EA), (0x621, 0x64A), (0x660, 0x669), (0x905, 0x939),
        (0x966, 0x96F), (0xE01, 0xE30), (0x1100, 0x1112), (0x1161, 0x1175), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3),
        (0xFF01, 0xFF5E), (0x1D400, 0x1D454), (0x1F600, 0x1F64F), (0x20000, 0x2A6D6), (0x0300, 0x036F),
    ];

    private readonly Random _random = new(seed);

    public Random Random => _random;

    public string Next(IReadOnlyList<string> added, int maxParts = 12, bool odd = true)
    {
        var text = new StringBuilder();
        for (var parts = _random.Next(1, maxParts + 1); parts > 0; parts--)
        {
            text.Append(NextPart(added, odd));
            if (_random.Next(3) > 0)
            {
                text.Append(Pick(Spaces));
            }
        }

        return text.ToString();
    }

    private string NextPart(IReadOnlyList<string> added, bool odd)
    {
        switch (_random.Next(12))
        {
            case <= 4:
                return Pick(Words);
            case 5:
                return Pick(Signs);
            case 6:
                return _random.Next(100_000).ToString(System.Globalization.CultureInfo.InvariantCulture);
            case 7 when odd:
                return Pick(Oddities);
            case 8 when added.Count > 0:
                return Pick(added);
            case 9:
                return Pick(Spaces);
            default:
                var (first, last) = Blocks[_random.Next(Blocks.Length)];
                var text = new StringBuilder();
                for (var count = _random.Next(1, 6); count > 0; count--)
                {
                    text.Append(new Rune(_random.Next(first, last + 1)).ToString());
                }

                return text.ToString();
        }
    }

    private string Pick(IReadOnlyList<string> list) => list[_random.Next(list.Count)];
}
