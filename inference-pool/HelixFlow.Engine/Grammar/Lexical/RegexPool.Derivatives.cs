namespace HelixFlow.Engine.Grammar.Lexical;

internal sealed partial class RegexPool
{
    // How many states an intersection or complement may have before the search for a match gives up.
    private const int MaxSearch = 50_000;
    private const int MaxRemembered = 500_000;

    private readonly Dictionary<(int Expression, byte Class), int> _derivatives = [];
    private long _allowance = long.MaxValue;

    /// <summary>Bounds the work until the next call: derivatives, parts of expressions and threads of parsers that are looked at, each some tenths of a microsecond.</summary>
    public void Allow(long work) => _allowance = work;

    /// <summary>Takes some work from what is allowed.</summary>
    /// <exception cref="GrammarTooComplexException">There is none left.</exception>
    public void Charge(int work)
    {
        _allowance -= work;
        if (_allowance < 0)
        {
            _allowance = long.MaxValue; // whoever goes on in spite of it is allowed anew
            throw new GrammarTooComplexException("the grammar takes too much time");
        }
    }

    /// <summary>The state after a byte; <see cref="Nothing"/> when no match begins like this. A state that is returned can still match.</summary>
    public int Next(int expression, byte value)
    {
        Node node = _nodes[expression];
        int next = node.Next is null ? -1 : node.Next[node.Classes!.IndexOf(value)];
        return next >= 0 ? next : Derive(node, expression, value);
    }

    /// <summary>The values that some match begins with.</summary>
    public ByteSet FirstBytes(int expression)
    {
        ByteClasses classes = ClassesOf(expression);
        ByteSet set = default;
        for (int i = 0; i < classes.Count; i++)
        {
            if (Next(expression, classes.Representative(i)) != Nothing)
            {
                set |= classes.SetOf(i);
            }
        }

        return set;
    }

    /// <summary>One value of each class that some match begins with.</summary>
    public ByteSet Representatives(int expression)
    {
        ByteClasses classes = ClassesOf(expression);
        ByteSet set = default;
        for (int i = 0; i < classes.Count; i++)
        {
            byte value = classes.Representative(i);
            set |= Next(expression, value) != Nothing ? ByteSet.Of(value) : default;
        }

        return set;
    }

    /// <summary>Whether anything matches.</summary>
    public bool IsAlive(int expression)
    {
        Node node = _nodes[expression];
        return node.IsAlive ??= FindMatch(expression);
    }

    private int Derive(Node node, int expression, byte value)
    {
        ByteClasses classes = ClassesOf(expression);
        int next = Derivative(expression, value);
        if (next != Nothing && !IsAlive(next))
        {
            next = Nothing;
        }

        if (node.Next is null)
        {
            node.Next = new int[classes.Count];
            Array.Fill(node.Next, -1);
        }

        node.Next[classes.IndexOf(value)] = next;
        return next;
    }

    /// <summary>Parts come back in many states, so theirs are remembered; states themselves have a table.</summary>
    private int Derivative(int expression, byte value)
    {
        Node node = _nodes[expression];
        if (node.Kind is Kind.Bytes or Kind.Machine or Kind.Nothing or Kind.Empty)
        {
            return Compute(node, value);
        }

        if (node.Next is not null && node.Next[node.Classes!.IndexOf(value)] is var known and >= 0)
        {
            return known; // dead ones are Nothing there, which matches the same
        }

        (int, byte) key = (expression, ClassesOf(expression).Representative(value));
        if (!_derivatives.TryGetValue(key, out int derivative))
        {
            if (_derivatives.Count >= MaxRemembered)
            {
                _derivatives.Clear();
            }

            derivative = Compute(node, value);
            _derivatives.Add(key, derivative);
        }

        return derivative;
    }

    private int Compute(Node node, byte value)
    {
        Charge(1 + node.Parts.Length);
        switch (node.Kind)
        {
            case Kind.Bytes:
                return node.Set.Contains(value) ? Empty : Nothing;
            case Kind.Concat:
                int first = Concat(Derivative(node.Parts[0], value), node.Parts[1]);
                return IsNullable(node.Parts[0]) ? Or(first, Derivative(node.Parts[1], value)) : first;
            case Kind.Or:
                return Or(Array.ConvertAll(node.Parts, part => Derivative(part, value)));
            case Kind.And:
                return And(Array.ConvertAll(node.Parts, part => Derivative(part, value)));
            case Kind.Not:
                return Not(Derivative(node.Parts[0], value));
            case Kind.Repeat:
                int rest = Repeat(node.Parts[0], Math.Max(0, node.Min - 1), node.Max == Unbounded ? Unbounded : node.Max - 1);
                return Concat(Derivative(node.Parts[0], value), rest);
            case Kind.Machine:
                return Machine(node.Min, _machines[node.Min].Next(node.Max, value));
            default:
                return Nothing;
        }
    }

    /// <summary>Classes of bytes with equal derivatives; perhaps finer than need be.</summary>
    private ByteClasses ClassesOf(int expression)
    {
        Node node = _nodes[expression];
        return node.Classes ??= node.Kind switch
        {
            Kind.Bytes => ByteClasses.Of(node.Set),
            Kind.Concat => IsNullable(node.Parts[0]) ? ClassesOf(node.Parts[0]).Meet(ClassesOf(node.Parts[1])) : ClassesOf(node.Parts[0]),
            Kind.Or or Kind.And => node.Parts.Select(ClassesOf).Aggregate(ByteClasses.One, (left, right) => left.Meet(right)),
            Kind.Not or Kind.Repeat => ClassesOf(node.Parts[0]),
            Kind.Machine => _machines[node.Min].Classes,
            _ => ByteClasses.One,
        };
    }

    /// <summary>Only intersections and complements can be without a match unseen; there a match is searched for.</summary>
    private bool FindMatch(int expression)
    {
        if (expression == Nothing)
        {
            return false;
        }

        if (!_nodes[expression].MayHideNothing)
        {
            return true;
        }

        var seen = new HashSet<int> { expression };
        var stack = new Stack<int>(seen);
        while (stack.TryPop(out int state))
        {
            if (IsNullable(state) || _nodes[state].IsAlive == true || (state != expression && !_nodes[state].MayHideNothing))
            {
                return true;
            }

            ByteClasses classes = ClassesOf(state);
            for (int i = 0; i < classes.Count; i++)
            {
                int next = Derivative(state, classes.Representative(i));
                if (next != Nothing && _nodes[next].IsAlive != false && seen.Add(next))
                {
                    stack.Push(next);
                }
            }

            if (seen.Count > MaxSearch)
            {
                throw new GrammarTooComplexException("whether an intersection of expressions has any match is too hard to tell");
            }
        }

        foreach (int state in seen)
        {
            _nodes[state].IsAlive = false;
        }

        return false;
    }
}
