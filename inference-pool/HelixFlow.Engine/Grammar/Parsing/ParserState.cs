using HelixFlow.Engine.Grammar.Tokens;

namespace HelixFlow.Engine.Grammar.Parsing;

/// <summary>A terminal that has begun: where, and how far it has come.</summary>
/// <param name="Column">The column it began in.</param>
/// <param name="Terminal">Which it is.</param>
/// <param name="Lexeme">The state of its expression.</param>
internal readonly record struct ParserThread(ParserColumn Column, int Terminal, int Lexeme);

/// <summary>Everything that the text so far means for what may follow. Equal states are the same object.</summary>
internal sealed class ParserState(ParserThread[] threads, bool isAccepting)
{
    private const int MaxListed = 12;

    private byte[] _values = [];
    private ParserState?[] _next = []; // beside _values, or [byte] once there are many
    private int _listed;

    /// <summary>All terminals that the text may be in; none when nothing can follow.</summary>
    public ParserThread[] Threads { get; } = threads;

    /// <summary>Whether the text may end here.</summary>
    public bool IsAccepting { get; } = isAccepting;

    /// <summary>The tokens that may follow, once worked out.</summary>
    public TokenMask? Mask { get; set; }

    /// <summary>The tokens of the bytes that must follow, once worked out.</summary>
    public int[]? Forced { get; set; }

    /// <summary>Looks a transition up; false when it has not been worked out yet.</summary>
    public bool TryGetNext(byte value, out ParserState? next)
    {
        if (_next.Length == 256)
        {
            next = _next[value];
            return next != Unknown;
        }

        int at = _values.AsSpan(0, _listed).IndexOf(value);
        next = at < 0 ? null : _next[at];
        return at >= 0;
    }

    public void SetNext(byte value, ParserState? next)
    {
        if (_next.Length == 256)
        {
            _next[value] = next;
            return;
        }

        if (_listed == MaxListed)
        {
            var table = new ParserState?[256];
            Array.Fill(table, Unknown);
            for (int i = 0; i < _listed; i++)
            {
                table[_values[i]] = _next[i];
            }

            (_next, _values) = (table, []);
            _next[value] = next;
            return;
        }

        if (_listed == _next.Length)
        {
            Array.Resize(ref _values, Math.Max(2, _listed * 2) > MaxListed ? MaxListed : Math.Max(2, _listed * 2));
            Array.Resize(ref _next, _values.Length);
        }

        _values[_listed] = value;
        _next[_listed++] = next;
    }

    private static ParserState Unknown { get; } = new([], false);
}
