namespace HelixFlow.Agents.Texts;

/// <summary>Finds the sentences of a text; headings, list items and table cells count as such.</summary>
internal static class Sentences
{
    private const int Longest = 400;

    /// <summary>Their places in order, without the white space around them; what has no letter and no digit is left out.</summary>
    public static List<TextSpan> Of(string text)
    {
        var found = new List<TextSpan>();
        int start = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (EndsAt(text, i) || i == text.Length - 1)
            {
                Add(text, start, i + 1, found);
                start = i + 1;
            }
        }

        return found;
    }

    private static bool EndsAt(string text, int i)
    {
        if (text[i] is '\n' or '。' or '！' or '？')
        {
            return true;
        }

        if (!char.IsWhiteSpace(text[i]))
        {
            return false;
        }

        int last = i - 1;
        while (last > 0 && text[last] is '"' or '\'' or ')' or ']' or '”' or '’' or '»')
        {
            last--;
        }

        // A small letter goes on after an abbreviation.
        return last >= 0 && text[last] is '.' or '!' or '?' or '…' && i + 1 < text.Length && !char.IsLower(text[i + 1]);
    }

    private static void Add(string text, int start, int end, List<TextSpan> found)
    {
        while (end - start > Longest)
        {
            int cut = TextSplitter.EndOf(text, start, Longest); // before the end, which is farther away
            AddOne(text, start, cut, found);
            start = cut;
        }

        AddOne(text, start, end, found);
    }

    private static void AddOne(string text, int start, int end, List<TextSpan> found)
    {
        while (start < end && char.IsWhiteSpace(text[start]))
        {
            start++;
        }

        while (end > start && char.IsWhiteSpace(text[end - 1]))
        {
            end--;
        }

        if (text.AsSpan(start, end - start).ContainsAnyLetterOrDigit())
        {
            found.Add(new TextSpan(start, end));
        }
    }

    private static bool ContainsAnyLetterOrDigit(this ReadOnlySpan<char> text)
    {
        foreach (System.Text.Rune rune in text.EnumerateRunes())
        {
            if (System.Text.Rune.IsLetterOrDigit(rune))
            {
                return true;
            }
        }

        return false;
    }
}
