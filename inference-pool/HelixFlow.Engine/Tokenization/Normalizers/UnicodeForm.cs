using System.Text;

namespace HelixFlow.Engine.Tokenization.Normalizers;

/// <summary>Unicode's normal forms (UAX #15), which .NET lacks when it runs with invariant globalization.</summary>
internal sealed class UnicodeForm : Normalizer
{
    public static readonly UnicodeForm C = new(compatible: false, composes: true);
    public static readonly UnicodeForm D = new(compatible: false, composes: false);
    public static readonly UnicodeForm KC = new(compatible: true, composes: true);
    public static readonly UnicodeForm KD = new(compatible: true, composes: false);

    // The first characters that each form changes or that combine with what stands before.
    private const char FirstOfC = '\u0300';
    private const char FirstOther = '\u00A0';

    private readonly bool _compatible;
    private readonly bool _composes;
    private readonly char _firstAffected;
    private readonly Lazy<bool[]> _stays; // [UTF-16 unit] -> see Stays

    private UnicodeForm(bool compatible, bool composes)
    {
        _compatible = compatible;
        _composes = composes;
        _firstAffected = composes && !compatible ? FirstOfC : FirstOther;
        _stays = new Lazy<bool[]>(() =>
        {
            var stays = new bool[char.MaxValue + 1];
            for (var unit = 0; unit < stays.Length; unit++)
            {
                stays[unit] = !char.IsSurrogate((char)unit) && Stays(unit);
            }

            return stays;
        });
    }

    public override string Normalize(string text)
    {
        var first = text.AsSpan().IndexOfAnyInRange(_firstAffected, char.MaxValue);
        if (first < 0)
        {
            return text;
        }

        // Between two characters that stay the text can be cut: only the parts with others are worked on.
        var stays = _stays.Value;
        StringBuilder? result = null;
        var done = 0;
        var at = first;
        while (true)
        {
            while (at < text.Length && stays[text[at]])
            {
                at++;
            }

            if (at >= text.Length)
            {
                break;
            }

            // The character before may take up what follows.
            var start = at > done && !char.IsLowSurrogate(text[at - 1]) ? at - 1 : at;
            while (at < text.Length && !stays[text[at]])
            {
                at++;
            }

            result ??= new StringBuilder(text.Length);
            result.Append(text, done, start - done);
            NormalizePart(text.AsSpan(start..at), result);
            done = at;
        }

        return result is null ? text : result.Append(text, done, text.Length - done).ToString();
    }

    // Alone it is its own form, and it never joins or changes places with what stands before it.
    private bool Stays(int code)
    {
        var table = UnicodeNormalizationTable.Instance;
        if (table.Order(code) != 0 || table.IsSecond(code))
        {
            return false;
        }

        var characters = new List<(int Code, byte Order)>(4);
        table.Decompose(code, _compatible, characters);
        if (table.IsSecond(characters[0].Code) || characters[0].Order != 0)
        {
            return false;
        }

        if (_composes)
        {
            SortMarks(characters);
            Compose(characters);
        }

        return characters is [(var only, 0)] && only == code;
    }

    private void NormalizePart(ReadOnlySpan<char> text, StringBuilder result)
    {
        var characters = new List<(int Code, byte Order)>(text.Length + 16);
        foreach (var rune in text.EnumerateRunes())
        {
            UnicodeNormalizationTable.Instance.Decompose(rune.Value, _compatible, characters);
        }

        SortMarks(characters);
        if (_composes)
        {
            Compose(characters);
        }

        Span<char> units = stackalloc char[2];
        foreach (var (code, _) in characters)
        {
            result.Append(units[..new Rune(code).EncodeToUtf16(units)]);
        }
    }

    // Every run of combining marks is put in the order of their classes; equal classes keep their order.
    private static void SortMarks(List<(int Code, byte Order)> characters)
    {
        for (var at = 0; at < characters.Count; at++)
        {
            if (characters[at].Order == 0)
            {
                continue;
            }

            var start = at;
            var sorted = true;
            for (at++; at < characters.Count && characters[at].Order != 0; at++)
            {
                sorted &= characters[at].Order >= characters[at - 1].Order;
            }

            if (!sorted)
            {
                var run = characters.GetRange(start, at - start).OrderBy(character => character.Order).ToArray();
                for (var i = 0; i < run.Length; i++)
                {
                    characters[start + i] = run[i];
                }
            }
        }
    }

    private static void Compose(List<(int Code, byte Order)> characters)
    {
        var kept = 0;
        var starter = -1;
        for (var at = 0; at < characters.Count; at++)
        {
            var (code, order) = characters[at];

            // A mark is blocked from its starter by a mark of the same or a higher class between them, or by another starter.
            var adjacent = starter == kept - 1;
            if (starter >= 0 && (adjacent || (characters[kept - 1].Order != 0 && characters[kept - 1].Order < order))
                && UnicodeNormalizationTable.Instance.Compose(characters[starter].Code, code) is > 0 and var composed)
            {
                characters[starter] = (composed, 0);
                continue;
            }

            if (order == 0)
            {
                starter = kept;
            }

            characters[kept++] = (code, order);
        }

        characters.RemoveRange(kept, characters.Count - kept);
    }
}
