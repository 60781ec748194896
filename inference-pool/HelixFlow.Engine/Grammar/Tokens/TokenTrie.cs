using System.Runtime.InteropServices;
using HelixFlow.Engine.Grammar.Lexical;

namespace HelixFlow.Engine.Grammar.Tokens;

/// <summary>Tokens by their bytes: a tree in preorder, so that a walk is a loop that skips subtrees it does not want. Immutable.</summary>
internal sealed class TokenTrie
{
    private readonly byte[] _values; // [node]; the root's means nothing
    private readonly int[] _ends; // [node] -> the first node behind its subtree
    private readonly int[] _tokenEnds; // [node] -> end of its tokens, which begin where the node before ends
    private readonly int[] _tokens;
    private readonly bool[] _isWhole; // [node]: its bytes are whole characters

    private TokenTrie(List<byte> values, int[] ends, List<int> tokenEnds, List<int> tokens, int depth)
    {
        _values = [.. values];
        _ends = ends;
        _tokenEnds = [.. tokenEnds];
        _tokens = [.. tokens];
        Depth = depth;
        _isWhole = FindWhole();
    }

    /// <summary>Nodes, the root included.</summary>
    public int Count => _values.Length;

    /// <summary>Bytes of the longest token.</summary>
    public int Depth { get; }

    /// <summary>A tree of a vocabulary; tokens without bytes are left out.</summary>
    public static TokenTrie Of(IEnumerable<(int Token, byte[] Bytes)> tokens)
    {
        (int Token, byte[] Bytes)[] sorted = [.. tokens.Where(token => token.Bytes.Length > 0)];
        Array.Sort(sorted, static (left, right) => left.Bytes.AsSpan().SequenceCompareTo(right.Bytes) is not 0 and var order ? order : left.Token.CompareTo(right.Token));
        List<byte> values = [0];
        List<int> ends = [0], tokenEnds = [0], ids = [];
        var path = new List<int> { 0 };
        byte[] previous = [];
        foreach ((int token, byte[] bytes) in sorted)
        {
            int common = previous.AsSpan().CommonPrefixLength(bytes);
            Close(common);
            for (int i = common; i < bytes.Length; i++)
            {
                path.Add(values.Count);
                values.Add(bytes[i]);
                ends.Add(0);
                tokenEnds.Add(ids.Count);
            }

            ids.Add(token);
            tokenEnds[^1] = ids.Count;
            previous = bytes;
        }

        Close(-1);
        return new TokenTrie(values, [.. ends], tokenEnds, ids, sorted.Length == 0 ? 0 : sorted.Max(token => token.Bytes.Length));

        void Close(int depth)
        {
            while (path.Count > depth + 1)
            {
                ends[path[^1]] = values.Count;
                path.RemoveAt(path.Count - 1);
            }
        }
    }

    /// <summary>The byte that leads to a node.</summary>
    public byte ValueOf(int node) => _values[node];

    /// <summary>The first node behind a node's subtree; its own subtree begins behind itself.</summary>
    public int EndOf(int node) => _ends[node];

    /// <summary>The tokens that end in a node or below it.</summary>
    public ReadOnlySpan<int> TokensWithin(int node)
    {
        int start = node == 0 ? 0 : _tokenEnds[node - 1];
        return _tokens.AsSpan(start, _tokenEnds[_ends[node] - 1] - start);
    }

    /// <summary>Whether a node's bytes are whole characters, so that whole characters follow if all tokens are such.</summary>
    public bool IsWhole(int node) => _isWhole[node];

    /// <summary>The longest token that a text begins with; -1 for none.</summary>
    public int Longest(ReadOnlySpan<byte> text, out int length)
    {
        int longest = -1;
        length = 0;
        for (int node = 0, depth = 0; depth < text.Length && Child(node, text[depth]) is var child and >= 0; depth++, node = child)
        {
            if (TokensOf(child) is [int token, ..])
            {
                (longest, length) = (token, depth + 1);
            }
        }

        return longest;
    }

    /// <summary>Whether a longer token begins with these bytes and one of some others.</summary>
    public bool MayGoOn(ReadOnlySpan<byte> bytes, ByteSet next)
    {
        int node = 0;
        foreach (byte value in bytes)
        {
            node = Child(node, value);
            if (node < 0)
            {
                return false;
            }
        }

        for (int child = node + 1; child < _ends[node]; child = _ends[child])
        {
            if (next.Contains(_values[child]))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The node that a byte leads to; -1 for none.</summary>
    private int Child(int node, byte value)
    {
        for (int child = node + 1; child < _ends[node]; child = _ends[child])
        {
            if (_values[child] == value)
            {
                return child;
            }
        }

        return -1;
    }

    /// <summary>The tokens that end in a node.</summary>
    public ReadOnlySpan<int> TokensOf(int node)
    {
        int start = node == 0 ? 0 : _tokenEnds[node - 1];
        return _tokens.AsSpan(start, _tokenEnds[node] - start);
    }

    /// <summary>What is left of tokens behind some nodes of some trees, as a tree of its own: equal rests share their nodes.</summary>
    public static TokenTrie Merge(List<(TokenTrie Tree, int Node)> nodes)
    {
        List<byte> values = [];
        List<int> ends = [], tokenEnds = [], tokens = [];
        int depth = 0;
        Write(0, nodes, 0);
        return new TokenTrie(values, [.. ends], tokenEnds, tokens, depth);

        void Write(byte value, List<(TokenTrie Tree, int Node)> sources, int level)
        {
            depth = Math.Max(depth, level);
            int node = values.Count;
            values.Add(value);
            ends.Add(0);
            if (level > 0)
            {
                foreach ((TokenTrie tree, int source) in sources)
                {
                    tokens.AddRange(tree.TokensOf(source));
                }
            }

            tokenEnds.Add(tokens.Count);
            var children = new SortedDictionary<byte, List<(TokenTrie Tree, int Node)>>();
            foreach ((TokenTrie tree, int source) in sources)
            {
                for (int child = source + 1; child < tree._ends[source]; child = tree._ends[child])
                {
                    if (!children.TryGetValue(tree._values[child], out List<(TokenTrie Tree, int Node)>? list))
                    {
                        children.Add(tree._values[child], list = []);
                    }

                    list.Add((tree, child));
                }
            }

            foreach ((byte next, List<(TokenTrie Tree, int Node)> list) in children)
            {
                Write(next, list, level + 1);
            }

            CollectionsMarshal.AsSpan(ends)[node] = values.Count;
        }
    }

    private bool[] FindWhole()
    {
        var whole = new bool[_values.Length];
        var parents = new Stack<(int End, int Missing)>(); // bytes that are missing in a node's last character
        parents.Push((_values.Length, 0));
        whole[0] = true;
        for (int node = 1; node < _values.Length; node++)
        {
            while (node >= parents.Peek().End)
            {
                parents.Pop();
            }

            int missing = _values[node] switch
            {
                < 0x80 => 0,
                < 0xC0 => parents.Peek().Missing - 1,
                < 0xE0 => 1,
                < 0xF0 => 2,
                _ => 3,
            };
            whole[node] = missing == 0;
            parents.Push((_ends[node], missing));
        }

        return whole;
    }
}
