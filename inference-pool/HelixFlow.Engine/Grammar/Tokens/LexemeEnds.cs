using HelixFlow.Engine.Grammar.Parsing;

namespace HelixFlow.Engine.Grammar.Tokens;

/// <summary>A place in a tree of tokens.</summary>
internal readonly record struct TreeNode(TokenTrie Tree, int Node);

/// <summary>Places in tokens behind which a terminal may have ended and the token goes on. Compared by content; used under the vocabulary's lock.</summary>
internal sealed class LexemeEnds : IEquatable<LexemeEnds>
{
    // Behind ends with more nodes than this, the vocabulary's tree is walked itself: a blank has nearly all words behind it, and merging would copy them.
    private const int MaxMerged = 4000;

    private readonly TreeNode[] _nodes;
    private readonly int _hash;
    private TokenTrie? _merged;

    private LexemeEnds(TreeNode[] nodes)
    {
        _nodes = nodes;
        var hash = default(HashCode);
        foreach (TreeNode node in nodes)
        {
            hash.Add(node.Node);
        }

        _hash = hash.ToHashCode();
    }

    public bool IsEmpty => _nodes.Length == 0;

    /// <summary>These places, as the one object that stands for them.</summary>
    public static LexemeEnds Of(List<TreeNode> nodes, Dictionary<LexemeEnds, LexemeEnds> known)
    {
        var ends = new LexemeEnds([.. nodes]);
        if (known.TryGetValue(ends, out LexemeEnds? same))
        {
            return same;
        }

        known.Add(ends, ends);
        return ends;
    }

    /// <summary>The tokens that go on well from there.</summary>
    /// <param name="parser">The grammar's parser.</param>
    /// <param name="after">Its state when the terminal has ended.</param>
    public int[] FindCrossing(Parser parser, ParserState after)
    {
        var tokens = new List<int>();
        if (_merged is null && Size() <= MaxMerged)
        {
            _merged = TokenTrie.Merge([.. _nodes.Select(static node => (node.Tree, node.Node))]);
        }

        if (_merged is not null)
        {
            Walk(parser, after, _merged, 0, tokens);
            return [.. tokens];
        }

        foreach (TreeNode node in _nodes)
        {
            Walk(parser, after, node.Tree, node.Node, tokens);
        }

        return [.. tokens];
    }

    public bool Equals(LexemeEnds? other) => other is not null && _hash == other._hash && _nodes.AsSpan().SequenceEqual(other._nodes);

    public override bool Equals(object? obj) => Equals(obj as LexemeEnds);

    public override int GetHashCode() => _hash;

    private long Size()
    {
        long size = 0;
        foreach (TreeNode node in _nodes)
        {
            size += node.Tree.EndOf(node.Node) - node.Node;
        }

        return size;
    }

    /// <summary>Adds the tokens below a node whose bytes from there on the parser takes.</summary>
    private static void Walk(Parser parser, ParserState start, TokenTrie trie, int root, List<int> tokens)
    {
        var states = new Stack<(ParserState State, int End)>();
        states.Push((start, trie.EndOf(root)));
        for (int node = root + 1; node < trie.EndOf(root);)
        {
            while (node >= states.Peek().End)
            {
                states.Pop();
            }

            int end = trie.EndOf(node);
            if (parser.Next(states.Peek().State, trie.ValueOf(node)) is not { } next)
            {
                node = end;
                continue;
            }

            tokens.AddRange(trie.TokensOf(node));
            states.Push((next, end));
            node++;
        }
    }
}
