using System.Globalization;
using System.Text;

namespace HelixFlow.Gateway.Responses.Search;

/// <summary>Takes the marks by which the model cites what a search has found, 【1】 or 【1, 3】, out of its text as it comes.</summary>
/// <remarks>One per response, used by one thread at a time. Only what may become a mark is held back, with the blank before it.</remarks>
internal sealed class CitationReader
{
    private const char Begin = '【';
    private const char End = '】';
    private const int LongestMark = 24;

    private readonly StringBuilder _held = new();

    /// <summary>More of the text.</summary>
    /// <param name="text">As the model wrote it.</param>
    /// <param name="sources">How many results there are; a mark with a number that none has is text.</param>
    /// <param name="pieces">Gets what can be told now, in its order.</param>
    public void Add(string text, int sources, List<CitedPiece> pieces)
    {
        var plain = new StringBuilder();
        foreach (char c in text)
        {
            if (c is ' ' or Begin && !IsMark)
            {
                // A blank begins anew what may become a mark; the bracket goes on with the blank before it, if there is one.
                if (_held.Length > 0 && c == ' ')
                {
                    Move(_held, plain);
                }

                _held.Append(c);
            }
            else if (_held.Length == 0)
            {
                plain.Append(c);
            }
            else
            {
                _held.Append(c);
                if (c == End && IsMark && Numbers(_held.ToString(), sources) is { } numbers)
                {
                    _held.Clear();
                    pieces.Add(new CitedPiece(plain.ToString(), numbers));
                    plain.Clear();
                }
                else if (!IsMark || !(char.IsAsciiDigit(c) || c is ',' or ' ') || _held.Length > LongestMark)
                {
                    Move(_held, plain);
                }
            }
        }

        if (plain.Length > 0)
        {
            pieces.Add(new CitedPiece(plain.ToString(), []));
        }
    }

    /// <summary>What was held back and became no mark: the text has ended.</summary>
    public string Rest()
    {
        string rest = _held.ToString();
        _held.Clear();
        return rest;
    }

    private bool IsMark => _held.Length > 0 && (_held[0] == Begin || (_held.Length > 1 && _held[1] == Begin));

    private static int[]? Numbers(string mark, int sources)
    {
        string[] parts = mark.TrimStart(' ')[1..^1].Split(',', StringSplitOptions.TrimEntries);
        int[] numbers = new int[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            if (!int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]) || numbers[i] < 1 || numbers[i] > sources)
            {
                return null;
            }
        }

        return numbers;
    }

    private static void Move(StringBuilder from, StringBuilder to)
    {
        to.Append(from);
        from.Clear();
    }
}

/// <summary>A piece of text, and what is cited at its end.</summary>
/// <param name="Text">May be empty.</param>
/// <param name="Sources">The numbers of the results, from 1.</param>
internal readonly record struct CitedPiece(string Text, int[] Sources);
