using System.Diagnostics;
using System.Runtime.InteropServices;

namespace HelixFlow.Engine.Grammar.Lexical;

/// <summary>
/// Regular expressions over bytes as numbers: equal expressions have equal numbers, and an expression is a state of the automaton that
/// recognises it, whose transitions are its derivatives.
/// </summary>
/// <remarks>
/// <para>Brzozowski's derivatives (Derivatives of Regular Expressions, 1964) with the similarity rules that keep them finite, worked out when a
/// transition is first asked for and then remembered (Owens, Reppy and Turon 2009, https://doi.org/10.1017/S0956796808007090, with its
/// classes of characters). Intersection and complement cost nothing extra.</para>
/// <para>Not thread-safe: the vocabulary whose tokens are matched holds a lock.</para>
/// </remarks>
internal sealed partial class RegexPool
{
    /// <summary>The expression without any match: a dead state.</summary>
    public const int Nothing = 0;

    /// <summary>The expression that matches the empty string alone.</summary>
    public const int Empty = 1;

    /// <summary>A repetition without an upper bound.</summary>
    public const int Unbounded = int.MaxValue;

    private readonly List<Node> _nodes = [];
    private readonly Dictionary<Node, int> _ids = [];
    private readonly List<IRegexMachine> _machines = [];
    private readonly int _maxNodes;

    /// <param name="maxNodes">Expressions that may exist before <see cref="GrammarTooComplexException"/> is thrown.</param>
    public RegexPool(int maxNodes = 2_000_000)
    {
        _maxNodes = maxNodes;
        Intern(new Node(Kind.Nothing));
        Intern(new Node(Kind.Empty) { IsNullable = true });
        AllBytes = Bytes(ByteSet.All);
        Anything = Repeat(AllBytes, 0, Unbounded);
        Whole = Anything;
    }

    private enum Kind : byte
    {
        Nothing,
        Empty,
        Bytes,
        Concat,
        Or,
        And,
        Not,
        Repeat,
        Machine,
    }

    /// <summary>Any one byte.</summary>
    public int AllBytes { get; }

    /// <summary>Any bytes at all.</summary>
    public int Anything { get; }

    /// <summary>An expression that holds all others which <see cref="AndWithin"/> intersects; <see cref="Anything"/> until it is set.</summary>
    public int Whole { get; set; }

    public int Count => _nodes.Count;

    /// <summary>Whether the expression matches the empty string: the state accepts.</summary>
    public bool IsNullable(int expression) => _nodes[expression].IsNullable;

    public int Bytes(ByteSet set) => set.IsEmpty ? Nothing : Intern(new Node(Kind.Bytes) { Set = set });

    public int Literal(ReadOnlySpan<byte> bytes)
    {
        int expression = Empty;
        for (int i = bytes.Length - 1; i >= 0; i--)
        {
            expression = Concat(Bytes(ByteSet.Of(bytes[i])), expression);
        }

        return expression;
    }

    public int Concat(params ReadOnlySpan<int> parts)
    {
        int expression = Empty;
        for (int i = parts.Length - 1; i >= 0; i--)
        {
            expression = Concat(parts[i], expression);
        }

        return expression;
    }

    public int Concat(int first, int second)
    {
        if (first == Nothing || second == Nothing)
        {
            return Nothing;
        }

        if (first == Empty)
        {
            return second;
        }

        if (second == Empty)
        {
            return first;
        }

        // Nested to the right, whatever the order in which it was put together; a loop, because a literal may be long.
        var spine = new Stack<int>();
        while (_nodes[first] is { Kind: Kind.Concat } node)
        {
            spine.Push(node.Parts[0]);
            first = node.Parts[1];
        }

        spine.Push(first);
        while (spine.TryPop(out int part))
        {
            second = Intern(new Node(Kind.Concat) { Parts = [part, second], IsNullable = IsNullable(part) && IsNullable(second) });
        }

        return second;
    }

    /// <summary>What any of the parts matches.</summary>
    public int Or(params ReadOnlySpan<int> parts)
    {
        var set = new SortedSet<int>();
        ByteSet bytes = default;
        Flatten(parts, Kind.Or, set, ref bytes, isUnion: true);
        if (set.Contains(Anything))
        {
            return Anything;
        }

        if (!bytes.IsEmpty)
        {
            set.Add(Bytes(bytes));
        }

        set.Remove(Nothing);
        if (set.Count > 1 && set.Contains(Empty) && set.Any(part => part != Empty && IsNullable(part)))
        {
            set.Remove(Empty);
        }

        return set.Count switch
        {
            0 => Nothing,
            1 => set.Min,
            _ => Intern(new Node(Kind.Or) { Parts = [.. set], IsNullable = set.Any(IsNullable) }),
        };
    }

    /// <summary>What all of the parts match.</summary>
    public int And(params ReadOnlySpan<int> parts)
    {
        var set = new SortedSet<int>();
        ByteSet bytes = ByteSet.All;
        bool hasBytes = Flatten(parts, Kind.And, set, ref bytes, isUnion: false);
        if (hasBytes)
        {
            set.Add(Bytes(bytes));
        }

        set.Remove(Anything);
        MergeRepetitions(set);
        if (set.Contains(Nothing))
        {
            return Nothing;
        }

        if (set.Contains(Empty))
        {
            return set.All(IsNullable) ? Empty : Nothing;
        }

        return set.Count switch
        {
            0 => Anything,
            1 => set.Min,
            _ => Intern(new Node(Kind.And) { Parts = [.. set], IsNullable = set.All(IsNullable) }),
        };
    }

    /// <summary>What both match, for parts of <see cref="Whole"/>: without it the states stay simple.</summary>
    public int AndWithin(int left, int right) => left == Whole ? right : right == Whole ? left : And(left, right);

    /// <summary>What the expression does not match.</summary>
    public int Not(int expression)
    {
        if (expression == Nothing)
        {
            return Anything;
        }

        if (expression == Anything)
        {
            return Nothing;
        }

        Node node = _nodes[expression];
        return node.Kind == Kind.Not ? node.Parts[0] : Intern(new Node(Kind.Not) { Parts = [expression], IsNullable = !node.IsNullable });
    }

    public int Optional(int expression) => Or(expression, Empty);

    /// <summary>Between <paramref name="min"/> and <paramref name="max"/> times, or <see cref="Unbounded"/>.</summary>
    public int Repeat(int expression, int min, int max)
    {
        Debug.Assert(min >= 0 && max >= min, "bounds of a repetition");
        if (max == 0 || expression == Empty)
        {
            return Empty;
        }

        if (expression == Nothing)
        {
            return min == 0 ? Empty : Nothing;
        }

        if (min == 1 && max == 1)
        {
            return expression;
        }

        Node node = _nodes[expression];
        min = node.IsNullable ? 0 : min; // the empty match can be taken as often as needed
        return node.Kind == Kind.Repeat && node.Max == Unbounded && node.Min <= 1 && max == Unbounded && min <= 1
            ? Repeat(node.Parts[0], Math.Min(min, node.Min), Unbounded)
            : Intern(new Node(Kind.Repeat) { Parts = [expression], Min = min, Max = max, IsNullable = min == 0 });
    }

    /// <summary>A hand-made automaton in one of its states.</summary>
    public int Machine(IRegexMachine machine, int state)
    {
        int index = _machines.IndexOf(machine);
        if (index < 0)
        {
            index = _machines.Count;
            _machines.Add(machine);
        }

        return Machine(index, state);
    }

    private int Machine(int index, int state) =>
        state < 0 ? Nothing : Intern(new Node(Kind.Machine) { Min = index, Max = state, IsNullable = _machines[index].IsAccepting(state) });

    private bool Flatten(ReadOnlySpan<int> parts, Kind kind, SortedSet<int> set, ref ByteSet bytes, bool isUnion)
    {
        bool any = false;
        foreach (int part in parts)
        {
            Node node = _nodes[part];
            if (node.Kind == kind)
            {
                any |= Flatten(node.Parts, kind, set, ref bytes, isUnion);
            }
            else if (node.Kind == Kind.Bytes)
            {
                any = true;
                bytes = isUnion ? bytes | node.Set : bytes & node.Set;
            }
            else
            {
                set.Add(part);
            }
        }

        return any;
    }

    private int Intern(Node node)
    {
        ref int id = ref CollectionsMarshal.GetValueRefOrAddDefault(_ids, node, out bool exists);
        if (!exists)
        {
            if (_nodes.Count >= _maxNodes)
            {
                _ids.Remove(node);
                throw new GrammarTooComplexException($"the expression has more than {_maxNodes} states");
            }

            id = _nodes.Count;
            node.MayHideNothing = node.Kind switch
            {
                Kind.And or Kind.Not or Kind.Machine => true,
                Kind.Or => node.Parts.All(part => _nodes[part].MayHideNothing),
                _ => node.Parts.Any(part => _nodes[part].MayHideNothing),
            };
            _nodes.Add(node);
        }

        return id;
    }

    private sealed class Node(Kind kind) : IEquatable<Node>
    {
        public Kind Kind { get; } = kind;

        public ByteSet Set { get; init; }

        public int[] Parts { get; init; } = [];

        public int Min { get; init; }

        public int Max { get; init; }

        public bool IsNullable { get; init; }

        /// <summary>Whether there may be no match although that cannot be seen from the form.</summary>
        public bool MayHideNothing { get; set; }

        // What is worked out when it is first asked for.
        public ByteClasses? Classes { get; set; }

        public int[]? Next { get; set; } // [class of bytes] -> expression, or -1

        public bool? IsAlive { get; set; }

        public bool Equals(Node? other) =>
            other is not null && Kind == other.Kind && Min == other.Min && Max == other.Max && Set == other.Set && Parts.AsSpan().SequenceEqual(other.Parts);

        public override bool Equals(object? obj) => Equals(obj as Node);

        public override int GetHashCode()
        {
            var hash = default(HashCode);
            hash.Add(Kind);
            hash.Add(Set);
            hash.Add(Min);
            hash.Add(Max);
            foreach (int part in Parts)
            {
                hash.Add(part);
            }

            return hash.ToHashCode();
        }
    }
}

/// <summary>A hand-made automaton that stands in an expression where writing the expression out would be too long, such as "a multiple of 7".</summary>
internal interface IRegexMachine
{
    /// <summary>Bytes that lead to the same state from every state.</summary>
    ByteClasses Classes { get; }

    bool IsAccepting(int state);

    /// <summary>The state after a byte; negative when nothing can follow any more.</summary>
    int Next(int state, byte value);
}
