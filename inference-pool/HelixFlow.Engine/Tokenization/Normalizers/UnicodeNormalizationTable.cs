using System.Globalization;

namespace HelixFlow.Engine.Tokenization.Normalizers;

/// <summary>Decompositions, compositions and combining classes, from the embedded unicode-normalization.txt.</summary>
internal sealed class UnicodeNormalizationTable
{
    // Hangul syllables are made of their parts by arithmetic (Unicode standard, section 3.12).
    private const int HangulBase = 0xAC00;
    private const int LeadBase = 0x1100;
    private const int VowelBase = 0x1161;
    private const int TailBase = 0x11A7;
    private const int Leads = 19;
    private const int Vowels = 21;
    private const int Tails = 28;

    private static readonly Lazy<UnicodeNormalizationTable> Loaded = new(() => new UnicodeNormalizationTable());
    private readonly Dictionary<int, byte> _orders = [];
    private readonly Dictionary<int, int[]> _canonical = [];
    private readonly Dictionary<int, int[]> _compatible = [];
    private readonly Dictionary<(int, int), int> _compositions = [];

    private readonly HashSet<int> _seconds = [];

    private UnicodeNormalizationTable()
    {
        using var stream = typeof(UnicodeNormalizationTable).Assembly.GetManifestResourceStream("unicode-normalization.txt")
            ?? throw new InvalidOperationException("The assembly lacks unicode-normalization.txt.");
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            Read(line.Split(' '));
        }

        _seconds.UnionWith(_compositions.Keys.Select(pair => pair.Item2));
    }

    public static UnicodeNormalizationTable Instance => Loaded.Value;

    /// <summary>The canonical combining class; zero for characters that do not combine.</summary>
    public byte Order(int code) => _orders.GetValueOrDefault(code);

    /// <summary>The character can become one with the one before it.</summary>
    public bool IsSecond(int code) =>
        _seconds.Contains(code) || code is (>= VowelBase and < VowelBase + Vowels) or (> TailBase and < TailBase + Tails);

    /// <summary>Appends the full decomposition of a character.</summary>
    public void Decompose(int code, bool compatible, List<(int Code, byte Order)> output)
    {
        if (code is >= HangulBase and < HangulBase + (Leads * Vowels * Tails))
        {
            var index = code - HangulBase;
            output.Add((LeadBase + (index / (Vowels * Tails)), 0));
            output.Add((VowelBase + (index / Tails % Vowels), 0));
            if (index % Tails != 0)
            {
                output.Add((TailBase + (index % Tails), 0));
            }
        }
        else if (_canonical.TryGetValue(code, out var parts) || (compatible && _compatible.TryGetValue(code, out parts)))
        {
            foreach (var part in parts)
            {
                Decompose(part, compatible, output);
            }
        }
        else
        {
            output.Add((code, Order(code)));
        }
    }

    /// <summary>The character that two make together, or zero.</summary>
    public int Compose(int first, int second)
    {
        if (first is >= LeadBase and < LeadBase + Leads && second is >= VowelBase and < VowelBase + Vowels)
        {
            return HangulBase + ((((first - LeadBase) * Vowels) + second - VowelBase) * Tails);
        }

        if (first is >= HangulBase and < HangulBase + (Leads * Vowels * Tails) && (first - HangulBase) % Tails == 0
            && second is > TailBase and < TailBase + Tails)
        {
            return first + second - TailBase;
        }

        return _compositions.GetValueOrDefault((first, second));
    }

    private void Read(string[] words)
    {
        switch (words[0])
        {
            case "order":
                for (var code = Code(words[1]); code <= Code(words[2]); code++)
                {
                    _orders[code] = byte.Parse(words[3], CultureInfo.InvariantCulture);
                }

                break;
            case "canonical":
                int[] parts = [.. words[2..].Select(Code)];
                _canonical[Code(words[1])] = parts;
                if (parts.Length == 2)
                {
                    _compositions[(parts[0], parts[1])] = Code(words[1]);
                }

                break;
            case "compatible":
                _compatible[Code(words[1])] = [.. words[2..].Select(Code)];
                break;
            case "excluded":
                // Always right behind the decomposition that it excludes.
                if (_canonical[Code(words[1])] is [var first, var second])
                {
                    _compositions.Remove((first, second));
                }

                break;
        }
    }

    private static int Code(string text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
