using System.Text;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>Finds markers in characters that come one by one and holds back only what may still become one.</summary>
/// <remarks>No marker may be the beginning of another. What it releases does not depend on how a text was cut, as it sees characters alone.</remarks>
internal sealed class MarkerScan(params string[] markers)
{
    private readonly StringBuilder _held = new(); // always the beginning of a marker

    public bool IsEmpty => _held.Length == 0;

    public string Marker(int index) => markers[index];

    /// <summary>Takes a character: the marker that it completes, or -1; characters that belong to none go to <paramref name="released"/>.</summary>
    public int Accept(char character, StringBuilder released)
    {
        _held.Append(character);
        while (_held.Length > 0)
        {
            for (int i = 0; i < markers.Length; i++)
            {
                if (IsBeginning(markers[i]))
                {
                    if (_held.Length == markers[i].Length)
                    {
                        _held.Clear();
                        return i;
                    }

                    return -1;
                }
            }

            released.Append(_held[0]);
            _held.Remove(0, 1);
        }

        return -1;
    }

    /// <summary>Nothing follows: releases what was held back.</summary>
    public void Flush(StringBuilder released)
    {
        released.Append(_held);
        _held.Clear();
    }

    private bool IsBeginning(string marker)
    {
        if (_held.Length > marker.Length)
        {
            return false;
        }

        for (int i = 0; i < _held.Length; i++)
        {
            if (_held[i] != marker[i])
            {
                return false;
            }
        }

        return true;
    }
}
