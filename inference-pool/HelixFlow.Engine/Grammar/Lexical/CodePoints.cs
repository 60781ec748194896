using System.Globalization;

namespace HelixFlow.Engine.Grammar.Lexical;

/// <summary>A set of Unicode scalar values as sorted ranges that neither touch nor overlap. Immutable.</summary>
internal sealed class CodePoints
{
    private static readonly Lazy<Dictionary<string, CodePoints>> _categories = new(ReadCategories);

    private readonly (int First, int Last)[] _ranges;

    private CodePoints((int First, int Last)[] ranges)
    {
        _ranges = ranges;
    }

    public static CodePoints None { get; } = new([]);

    /// <summary>Every scalar value: surrogates are none.</summary>
    public static CodePoints All { get; } = new([(0, 0xD7FF), (0xE000, 0x10FFFF)]);

    public ReadOnlySpan<(int First, int Last)> Ranges => _ranges;

    public bool IsEmpty => _ranges.Length == 0;

    public static CodePoints Of(params ReadOnlySpan<int> values)
    {
        CodePoints set = None;
        foreach (int value in values)
        {
            set |= Range(value, value);
        }

        return set;
    }

    /// <summary>The values from <paramref name="first"/> to <paramref name="last"/>, both included, without surrogates.</summary>
    public static CodePoints Range(int first, int last) => new CodePoints([(first, last)]) & All;

    /// <summary>A general category such as <c>L</c> or <c>Lu</c>, by its short name; null when there is none of that name.</summary>
    public static CodePoints? Category(string name) => _categories.Value.GetValueOrDefault(name);

    public static CodePoints operator |(CodePoints left, CodePoints right)
    {
        (int First, int Last)[] sorted = [.. left._ranges, .. right._ranges];
        Array.Sort(sorted);
        var merged = new List<(int First, int Last)>(sorted.Length);
        foreach ((int first, int last) in sorted)
        {
            if (merged.Count > 0 && first <= merged[^1].Last + 1)
            {
                merged[^1] = (merged[^1].First, Math.Max(merged[^1].Last, last));
            }
            else
            {
                merged.Add((first, last));
            }
        }

        return new CodePoints([.. merged]);
    }

    public static CodePoints operator &(CodePoints left, CodePoints right)
    {
        var common = new List<(int First, int Last)>();
        for (int i = 0, j = 0; i < left._ranges.Length && j < right._ranges.Length;)
        {
            (int First, int Last) a = left._ranges[i], b = right._ranges[j];
            int first = Math.Max(a.First, b.First);
            int last = Math.Min(a.Last, b.Last);
            if (first <= last)
            {
                common.Add((first, last));
            }

            (i, j) = a.Last < b.Last ? (i + 1, j) : (i, j + 1);
        }

        return new CodePoints([.. common]);
    }

    /// <summary>All other scalar values.</summary>
    public static CodePoints operator ~(CodePoints set)
    {
        var gaps = new List<(int First, int Last)>();
        int next = 0;
        foreach ((int first, int last) in set._ranges)
        {
            if (next < first)
            {
                gaps.Add((next, first - 1));
            }

            next = last + 1;
        }

        if (next <= 0x10FFFF)
        {
            gaps.Add((next, 0x10FFFF));
        }

        return new CodePoints([.. gaps]) & All;
    }

    public bool Contains(int value)
    {
        foreach ((int first, int last) in _ranges)
        {
            if (value >= first && value <= last)
            {
                return true;
            }
        }

        return false;
    }

    private static Dictionary<string, CodePoints> ReadCategories()
    {
        var ranges = new Dictionary<string, List<(int First, int Last)>>(StringComparer.Ordinal);
        for (int value = 0; value <= 0x10FFFF; value++)
        {
            if (value is >= 0xD800 and <= 0xDFFF)
            {
                continue;
            }

            string name = ShortName(CharUnicodeInfo.GetUnicodeCategory(value));
            Extend(name, value);
            Extend(name[..1], value);
        }

        return ranges.ToDictionary(pair => pair.Key, pair => new CodePoints([.. pair.Value]), StringComparer.Ordinal);

        void Extend(string name, int value)
        {
            if (!ranges.TryGetValue(name, out List<(int First, int Last)>? list))
            {
                ranges.Add(name, list = []);
            }

            if (list.Count > 0 && list[^1].Last == value - 1)
            {
                list[^1] = (list[^1].First, value);
            }
            else
            {
                list.Add((value, value));
            }
        }
    }

    private static string ShortName(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => "Lu",
        UnicodeCategory.LowercaseLetter => "Ll",
        UnicodeCategory.TitlecaseLetter => "Lt",
        UnicodeCategory.ModifierLetter => "Lm",
        UnicodeCategory.OtherLetter => "Lo",
        UnicodeCategory.NonSpacingMark => "Mn",
        UnicodeCategory.SpacingCombiningMark => "Mc",
        UnicodeCategory.EnclosingMark => "Me",
        UnicodeCategory.DecimalDigitNumber => "Nd",
        UnicodeCategory.LetterNumber => "Nl",
        UnicodeCategory.OtherNumber => "No",
        UnicodeCategory.SpaceSeparator => "Zs",
        UnicodeCategory.LineSeparator => "Zl",
        UnicodeCategory.ParagraphSeparator => "Zp",
        UnicodeCategory.Control => "Cc",
        UnicodeCategory.Format => "Cf",
        UnicodeCategory.Surrogate => "Cs",
        UnicodeCategory.PrivateUse => "Co",
        UnicodeCategory.ConnectorPunctuation => "Pc",
        UnicodeCategory.DashPunctuation => "Pd",
        UnicodeCategory.OpenPunctuation => "Ps",
        UnicodeCategory.ClosePunctuation => "Pe",
        UnicodeCategory.InitialQuotePunctuation => "Pi",
        UnicodeCategory.FinalQuotePunctuation => "Pf",
        UnicodeCategory.OtherPunctuation => "Po",
        UnicodeCategory.MathSymbol => "Sm",
        UnicodeCategory.CurrencySymbol => "Sc",
        UnicodeCategory.ModifierSymbol => "Sk",
        UnicodeCategory.OtherSymbol => "So",
        _ => "Cn",
    };
}
