using System.Diagnostics;

namespace HelixFlow.Engine.KvCache;

/// <summary>A block whose content must be copied before the next run: a sequence is about to write what others still read.</summary>
internal readonly record struct BlockCopy(int Source, int Destination);

/// <summary>What became of an attempt to make room for further positions.</summary>
internal enum ReserveOutcome
{
    Reserved,

    /// <summary>A shared block was replaced by a private one; its content must be copied first.</summary>
    ReservedWithCopy,

    /// <summary>Not enough blocks; nothing was changed.</summary>
    OutOfBlocks,
}

/// <summary>The blocks of one sequence: entry i holds its positions i * blockSize to (i + 1) * blockSize - 1.</summary>
/// <remarks>Owned by the engine thread. Whole blocks may be shared with other sequences; a partial one is copied before it is written.</remarks>
internal sealed class BlockTable(string salt)
{
    private int[] _blocks = new int[8];
    private int _count;
    private int _registered; // blocks whose content stands in the prefix tree, or was found there
    private PrefixNode _node; // of the last of those

    /// <summary>Blocks held.</summary>
    public int Count => _count;

    public ReadOnlyMemory<int> Blocks => _blocks.AsMemory(0, _count);

    /// <summary>
    /// Takes the whole blocks of the tree that go on where the sequence's own whole blocks end, up to but not including its last token, whose logits
    /// are still wanted. A block that this sequence has computed in part gives way to a whole one.
    /// </summary>
    /// <param name="pool">The pool that the blocks are of.</param>
    /// <param name="tokens">The sequence's tokens.</param>
    /// <param name="computed">Positions whose keys and values are stored; its whole blocks have been registered.</param>
    /// <returns>Positions that need no computing: <paramref name="computed"/> or more.</returns>
    public int Reuse(BlockPool pool, ReadOnlySpan<int> tokens, int computed = 0)
    {
        int size = pool.BlockSize;
        int limit = (tokens.Length - 1) / size;
        Debug.Assert(_registered == computed / size && _count == pool.BlocksFor(computed));
        while (_registered < limit && pool.TryFind(_node, salt, tokens.Slice(_registered * size, size), out int block, out PrefixNode node))
        {
            pool.Retain(block);
            if (_registered < _count)
            {
                pool.Release(_blocks[_registered]);
                _blocks[_registered] = block;
            }
            else
            {
                Append(block);
            }

            _registered++;
            _node = node;
        }

        return Math.Max(computed, _registered * size);
    }

    /// <summary>Further blocks needed before the positions from <paramref name="first"/> to <paramref name="end"/> - 1 can be written.</summary>
    public int BlocksMissing(BlockPool pool, int first, int end) =>
        Math.Max(0, pool.BlocksFor(end) - _count) + (SharedBlockAt(pool, first) >= 0 ? 1 : 0);

    /// <summary>Makes the positions from <paramref name="first"/> to <paramref name="end"/> - 1 writable by this sequence alone.</summary>
    public ReserveOutcome Reserve(BlockPool pool, int first, int end, out BlockCopy copy)
    {
        copy = default;
        if (BlocksMissing(pool, first, end) > pool.Available)
        {
            return ReserveOutcome.OutOfBlocks;
        }

        int shared = SharedBlockAt(pool, first);
        if (shared >= 0)
        {
            copy = new BlockCopy(_blocks[shared], Allocate(pool));
            _blocks[shared] = copy.Destination;
            pool.Release(copy.Source);
        }

        while (_count < pool.BlocksFor(end))
        {
            Append(Allocate(pool));
        }

        return shared >= 0 ? ReserveOutcome.ReservedWithCopy : ReserveOutcome.Reserved;
    }

    /// <summary>Offers the blocks that are whole now to other prompts; those that others have computed too are shared from now on.</summary>
    /// <param name="pool">The pool that the blocks are of.</param>
    /// <param name="tokens">The sequence's tokens.</param>
    /// <param name="computed">Positions whose keys and values are stored.</param>
    public void RegisterWhole(BlockPool pool, ReadOnlySpan<int> tokens, int computed)
    {
        int size = pool.BlockSize;
        for (; (_registered + 1) * size <= computed; _registered++)
        {
            int block = _blocks[_registered];
            int shared = pool.Register(block, _node, salt, tokens.Slice(_registered * size, size), out _node);
            if (shared != block)
            {
                pool.Retain(shared);
                pool.Release(block);
                _blocks[_registered] = shared;
            }
        }
    }

    /// <summary>Shares all blocks of another sequence whose positions are all computed.</summary>
    public void ForkFrom(BlockPool pool, BlockTable other)
    {
        Debug.Assert(_count == 0);
        foreach (int block in other.Blocks.Span)
        {
            pool.Retain(block);
            Append(block);
        }

        _registered = other._registered;
        _node = other._node;
    }

    /// <summary>Gives all blocks back, the last first: of a cached prefix the end is evicted before the start.</summary>
    public void Clear(BlockPool pool)
    {
        while (_count > 0)
        {
            pool.Release(_blocks[--_count]);
        }

        _registered = 0;
        _node = default;
    }

    private int SharedBlockAt(BlockPool pool, int position)
    {
        int index = position / pool.BlockSize;
        return index < _count && pool.IsShared(_blocks[index]) ? index : -1;
    }

    private static int Allocate(BlockPool pool)
    {
        bool allocated = pool.TryAllocate(out int block);
        Debug.Assert(allocated, "blocks were counted before they were taken");
        return block;
    }

    private void Append(int block)
    {
        if (_count == _blocks.Length)
        {
            Array.Resize(ref _blocks, _count * 2);
        }

        _blocks[_count++] = block;
    }
}
