namespace HelixFlow.Engine.Grammar.Lexical;

internal sealed partial class RegexPool
{
    private const int MaxCodeStates = 256; // of an expression for one character

    private readonly Dictionary<int, bool> _isCode = [];
    private readonly Dictionary<(int Characters, int Behind), bool> _areApart = [];
    private readonly Dictionary<(int Left, int Right), int> _common = [];

    /// <summary>
    /// Whether the expression is a run of characters and what follows it, where each byte tells which of both it belongs to: then bounds of the run are a matter of
    /// counting its characters.
    /// </summary>
    public bool TryGetRun(int expression, out CountedRun run)
    {
        run = default;
        Node node = _nodes[expression];
        if (node.Kind == Kind.Concat && _nodes[node.Parts[0]] is { Kind: Kind.Repeat } repeat && IsRun(repeat.Parts[0], node.Parts[1]))
        {
            run = new CountedRun(new RunShape(repeat.Parts[0], -1, node.Parts[1], MayBeNone: false), repeat.Min, repeat.Max);
            return true;
        }

        return node.Kind switch
        {
            Kind.Concat when _nodes[node.Parts[0]].Kind == Kind.Repeat => TryGetClosedRun(expression, -1, out run),
            Kind.Concat when _nodes[node.Parts[0]] is { Kind: Kind.Or, Parts: [Empty, var body] } =>
                TryGetClosedRun(Concat(body, node.Parts[1]), node.Parts[1], out run),
            Kind.Or when node.Parts is [var left, var right] => TryGetClosedRun(left, right, out run) || TryGetClosedRun(right, left, out run),
            _ => false,
        };
    }

    /// <summary>A run whose last character is of fewer: as labels of hosts, which no hyphen ends.</summary>
    /// <param name="expression">The run and what follows.</param>
    /// <param name="without">What may stand for both; -1 for nothing.</param>
    /// <param name="run">The run.</param>
    private bool TryGetClosedRun(int expression, int without, out CountedRun run)
    {
        run = default;
        if (_nodes[expression] is not { Kind: Kind.Concat } node
            || _nodes[node.Parts[0]] is not { Kind: Kind.Repeat, Min: 0 } repeat
            || _nodes[node.Parts[1]] is not { Kind: Kind.Concat } end
            || _nodes[repeat.Parts[0]] is not { Kind: Kind.Bytes } all
            || _nodes[end.Parts[0]] is not { Kind: Kind.Bytes } last
            || (last.Set & all.Set) != last.Set
            || (without >= 0 && without != end.Parts[1])
            || !IsRun(repeat.Parts[0], end.Parts[1]))
        {
            return false;
        }

        run = new CountedRun(new RunShape(repeat.Parts[0], end.Parts[0], end.Parts[1], without >= 0), 0, repeat.Max);
        return true;
    }

    private bool IsRun(int characters, int rest)
    {
        if (IsNullable(rest) || !IsCode(characters))
        {
            return false;
        }

        if (!_areApart.TryGetValue((characters, rest), out bool apart))
        {
            apart = (FirstBytes(characters) & FirstBytes(rest)).IsEmpty;
            _areApart.Add((characters, rest), apart);
        }

        return apart;
    }

    /// <summary>Whether no match begins with a shorter one, so that texts of them fall apart in one way only.</summary>
    private bool IsCode(int expression)
    {
        if (!_isCode.TryGetValue(expression, out bool isCode))
        {
            isCode = FindCode(expression);
            _isCode.Add(expression, isCode);
        }

        return isCode;
    }

    private bool FindCode(int expression)
    {
        var seen = new HashSet<int> { expression };
        var stack = new Stack<int>(seen);
        while (stack.TryPop(out int state))
        {
            if (IsNullable(state) || seen.Count > MaxCodeStates)
            {
                return false;
            }

            ByteClasses classes = ClassesOf(state);
            for (int i = 0; i < classes.Count; i++)
            {
                if (Next(state, classes.Representative(i)) is var next and not (Nothing or Empty) && seen.Add(next))
                {
                    stack.Push(next);
                }
            }
        }

        return true;
    }

    /// <summary>Characters of two repetitions that their intersection repeats; -1 when it is no repetition. If the characters of both are a code, a text has as many of one as of the other.</summary>
    private int CommonCharacters(int left, int right)
    {
        (int, int) key = (Math.Min(left, right), Math.Max(left, right));
        if (!_common.TryGetValue(key, out int common))
        {
            common = FindCommon(left, right);
            _common.Add(key, common);
        }

        return common;
    }

    private int FindCommon(int left, int right)
    {
        if (!IsCode(Or(left, right)))
        {
            return -1;
        }

        if (_nodes[left].Kind != Kind.Bytes)
        {
            (left, right) = (right, left);
        }

        if (_nodes[left].Kind == Kind.Bytes)
        {
            ByteSet both = default;
            for (int value = 0; value < 256; value++)
            {
                both |= _nodes[left].Set.Contains((byte)value) && Next(right, (byte)value) == Empty ? ByteSet.Of((byte)value) : default;
            }

            return Bytes(both);
        }

        int common = And(left, right);
        return IsAlive(common) ? common : Nothing;
    }

    /// <summary>Makes one of repetitions that are to be intersected.</summary>
    private void MergeRepetitions(SortedSet<int> parts)
    {
        int[] repetitions = [.. parts.Where(part => _nodes[part].Kind == Kind.Repeat)];
        for (int i = 1; i < repetitions.Length; i++)
        {
            (Node left, Node right) = (_nodes[repetitions[i - 1]], _nodes[repetitions[i]]);
            int common = CommonCharacters(left.Parts[0], right.Parts[0]);
            if (common < 0)
            {
                continue;
            }

            (int min, int max) = (Math.Max(left.Min, right.Min), Math.Min(left.Max, right.Max));
            parts.Remove(repetitions[i - 1]);
            parts.Remove(repetitions[i]);
            repetitions[i] = min > max ? Nothing : Repeat(common, min, max);
            parts.Add(repetitions[i]);
            if (_nodes[repetitions[i]].Kind != Kind.Repeat)
            {
                return;
            }
        }
    }
}

/// <summary>What runs that differ in their bounds alone have in common.</summary>
/// <param name="Characters">A character of the run.</param>
/// <param name="Last">The character behind it that closes it, one of fewer; -1 when the run needs none.</param>
/// <param name="Rest">What follows.</param>
/// <param name="MayBeNone">Whether what follows may come at once, although the run must be closed.</param>
internal readonly record struct RunShape(int Characters, int Last, int Rest, bool MayBeNone);

/// <summary>A run of characters.</summary>
/// <param name="Shape">Which, and what follows.</param>
/// <param name="Least">The fewest characters.</param>
/// <param name="Most">The most, without the one that closes it.</param>
internal readonly record struct CountedRun(RunShape Shape, int Least, int Most);
