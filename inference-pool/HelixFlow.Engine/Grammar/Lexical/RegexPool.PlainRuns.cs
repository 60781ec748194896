namespace HelixFlow.Engine.Grammar.Lexical;

internal sealed partial class RegexPool
{
    private static readonly ByteSet _plainFirst = PlainFirst();

    private readonly Dictionary<int, bool> _takesPlain = [];
    private readonly Dictionary<int, PlainRun> _plainRuns = [];

    /// <summary>How far an expression takes plain characters, any of them in any order (<see cref="PlainCharacters"/>), as bodies of strings do.</summary>
    public PlainRun PlainRunOf(int expression)
    {
        if (!_plainRuns.TryGetValue(expression, out PlainRun run))
        {
            run = FindPlainRun(expression);
            _plainRuns.Add(expression, run);
        }

        return run;
    }

    private PlainRun FindPlainRun(int expression)
    {
        Node node = _nodes[expression];
        (int first, int rest) = node.Kind == Kind.Concat ? (node.Parts[0], node.Parts[1]) : (expression, Empty);
        Node repeated = _nodes[first];
        if (repeated.Kind == Kind.Repeat && TakesPlain(repeated.Parts[0]) && (FirstBytes(rest) & _plainFirst).IsEmpty)
        {
            return new PlainRun(repeated.Max, IsNullable(rest));
        }

        // Texts without some marker: plain characters begin none and so lead back.
        return node.Kind is Kind.Not or Kind.And && NextByPlain(expression) == expression ? new PlainRun(Unbounded, node.IsNullable) : default;
    }

    /// <summary>Whether each plain character is a whole match, and no other one begins with it.</summary>
    public bool TakesPlain(int expression)
    {
        if (!_takesPlain.TryGetValue(expression, out bool takes))
        {
            takes = NextByPlain(expression) == Empty;
            _takesPlain.Add(expression, takes);
        }

        return takes;
    }

    /// <summary>The state after a plain character, if it is the same after all of them; else -1.</summary>
    private int NextByPlain(int expression)
    {
        int next = Next(expression, (byte)' ');
        for (int value = ' ' + 1; value < 0x80; value++)
        {
            if (PlainCharacters.IsPlain((byte)value) && Next(expression, (byte)value) != next)
            {
                return -1;
            }
        }

        var known = new HashSet<(int, int, int, int)>();
        return Leads(0xC2, 0xDF, 1, 0x80, 0xBF) && Leads(0xE0, 0xE0, 2, 0xA0, 0xBF) && Leads(0xE1, 0xEC, 2, 0x80, 0xBF) && Leads(0xED, 0xED, 2, 0x80, 0x9F)
            && Leads(0xEE, 0xEF, 2, 0x80, 0xBF) && Leads(0xF0, 0xF0, 3, 0x90, 0xBF) && Leads(0xF1, 0xF3, 3, 0x80, 0xBF) && Leads(0xF4, 0xF4, 3, 0x80, 0x8F)
            ? next
            : -1;

        bool Leads(int firstLead, int lastLead, int further, int low, int high)
        {
            for (int lead = firstLead; lead <= lastLead; lead++)
            {
                if (!Tail(Next(expression, (byte)lead), further, low, high))
                {
                    return false;
                }
            }

            return true;
        }

        // Whether all these continuations lead to the state.
        bool Tail(int state, int further, int low, int high)
        {
            if (!known.Add((state, further, low, high)))
            {
                return true;
            }

            for (int value = low; value <= high; value++)
            {
                int after = Next(state, (byte)value);
                if (further == 1 ? after != next : !Tail(after, further - 1, 0x80, 0xBF))
                {
                    return false;
                }
            }

            return true;
        }
    }

    private static ByteSet PlainFirst()
    {
        ByteSet set = ByteSet.Range(0xC2, 0xF4);
        for (int value = 0; value < 0x80; value++)
        {
            set |= PlainCharacters.IsPlain((byte)value) ? ByteSet.Of((byte)value) : default;
        }

        return set;
    }
}

/// <summary>A run of plain characters that an expression takes.</summary>
/// <param name="Most">How many; 0 when it does not take all of them alike.</param>
/// <param name="MayEnd">Whether a match may end inside of the run.</param>
internal readonly record struct PlainRun(int Most, bool MayEnd);
