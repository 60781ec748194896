using System.Text;

namespace HelixFlow.InferenceNode.Generation;

/// <summary>Finds stop texts in a stream of text pieces and holds back only what may still become one.</summary>
/// <remarks>
/// One per choice, used by one request's thread. Held-back text is never longer than the longest stop text minus one character. The result does
/// not depend on how the text is cut into pieces.
/// </remarks>
internal sealed class StopMatcher
{
    private readonly string[] _stops;
    private readonly int _longest;
    private readonly StringBuilder _held = new();

    /// <param name="stops">The stop texts; empty ones are ignored.</param>
    public StopMatcher(IEnumerable<string> stops)
    {
        _stops = [.. stops.Where(stop => stop.Length > 0).Distinct(StringComparer.Ordinal)];
        _longest = _stops.Length == 0 ? 0 : _stops.Max(stop => stop.Length);
    }

    /// <summary>Whether a stop text has been found; nothing more is released after it.</summary>
    public bool Stopped => Found.Length > 0;

    /// <summary>The stop text that was found; empty for none.</summary>
    public string Found { get; private set; } = "";

    /// <summary>Adds text and returns what can be released: all of it, up to a stop text or to the possible beginning of one.</summary>
    public string Append(ReadOnlySpan<char> piece)
    {
        if (Stopped)
        {
            return "";
        }

        if (_longest == 0)
        {
            return piece.ToString();
        }

        _held.Append(piece);
        string text = _held.ToString();
        int stop = FindFirst(text, out string found);
        if (stop >= 0)
        {
            Found = found;
            _held.Clear();
            return text[..stop];
        }

        int released = FirstPossibleStart(text);
        _held.Remove(0, released);
        return text[..released];
    }

    /// <summary>The text is complete: releases what was held back.</summary>
    public string Flush()
    {
        string rest = _held.ToString();
        _held.Clear();
        return rest;
    }

    // The match that ends first wins, the longer one among those that end together: only so is the result independent of the cuts.
    private int FindFirst(string text, out string found)
    {
        found = "";
        int first = -1;
        int firstEnd = int.MaxValue;
        foreach (string stop in _stops)
        {
            int at = text.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && (at + stop.Length < firstEnd || (at + stop.Length == firstEnd && at < first)))
            {
                first = at;
                firstEnd = at + stop.Length;
                found = stop;
            }
        }

        return first;
    }

    private int FirstPossibleStart(string text)
    {
        for (int start = Math.Max(0, text.Length - _longest + 1); start < text.Length; start++)
        {
            ReadOnlySpan<char> tail = text.AsSpan(start);
            foreach (string stop in _stops)
            {
                if (stop.AsSpan().StartsWith(tail, StringComparison.Ordinal))
                {
                    return start;
                }
            }
        }

        return text.Length;
    }
}
