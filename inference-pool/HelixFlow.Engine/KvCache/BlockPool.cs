using System.Diagnostics;
using System.Runtime.InteropServices;

namespace HelixFlow.Engine.KvCache;

/// <summary>A place in the tree of cached prefixes: the content of all whole blocks up to it.</summary>
/// <param name="ContentId">Unique for as long as the pool lives; 0 is the empty prefix.</param>
/// <param name="Hash">Chained hash of the salt and all tokens up to here.</param>
/// <param name="Block">The block that holds the last of it; without meaning for the empty prefix.</param>
internal readonly record struct PrefixNode(long ContentId, ulong Hash, int Block);

/// <summary>
/// The blocks of a paged key/value store: who holds them, which have content that later prompts may reuse, which are free.
/// </summary>
/// <remarks>
/// <para>Owned by the engine thread. A block is free (no content), held (one or more references) or cached (no reference, content still
/// addressable); free + cached + held = total at all times. Does not allocate after construction.</para>
/// <para>Addressable blocks form a tree: a block's parent is the block before it in the prompt. Whole blocks are found by a chained hash and then
/// compared token by token, salt included: a hit is never a matter of probability. A content stands in the tree once: who computes it a second
/// time gets the first one's block instead. So whoever holds a block holds the blocks before it too, and since tables give their blocks back from the
/// end, the least recently used block is always a leaf: what is cached can be reached for as long as it is cached.</para>
/// </remarks>
internal sealed class BlockPool
{
    private const int None = -1;

    private readonly int[] _references; // [block]
    private readonly int[] _tokens; // [block, position]: content of registered blocks
    private readonly Content[] _contents; // [block]
    private readonly int[] _free; // stack
    private readonly int[] _older; // [block]: neighbours in the list of cached blocks
    private readonly int[] _newer;
    private readonly Dictionary<ulong, int> _byHash; // the latest registered block of each hash
    private readonly int[] _sameHash; // [block]: the next block with its hash
    private readonly int[] _children; // [block]: blocks that follow it in the tree
    private readonly ulong _hashMask;
    private int _freeCount;
    private int _cachedCount;
    private int _heldCount;
    private int _oldest = None;
    private int _newest = None;
    private long _lastContentId;

    /// <param name="blocks">Blocks of the store.</param>
    /// <param name="blockSize">Positions per block.</param>
    /// <param name="hashMask">Tests narrow it to force hash collisions.</param>
    public BlockPool(int blocks, int blockSize, ulong hashMask = ulong.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blocks);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blockSize);
        BlockSize = blockSize;
        _references = new int[blocks];
        _tokens = new int[checked(blocks * blockSize)];
        _contents = new Content[blocks];
        _free = new int[blocks];
        _older = new int[blocks];
        _newer = new int[blocks];
        _byHash = new Dictionary<ulong, int>(blocks);
        _sameHash = new int[blocks];
        _children = new int[blocks];
        _hashMask = hashMask;
        for (int block = blocks - 1; block >= 0; block--)
        {
            _free[_freeCount++] = block;
        }
    }

    public int BlockSize { get; }

    public int Total => _references.Length;

    public int Free => _freeCount;

    public int Cached => _cachedCount;

    public int Held => _heldCount;

    /// <summary>Blocks that can be allocated now.</summary>
    public int Available => _freeCount + _cachedCount;

    /// <summary>Blocks that hold this many positions.</summary>
    public int BlocksFor(int positions) => (positions + BlockSize - 1) / BlockSize;

    public bool IsShared(int block) => _references[block] > 1;

    /// <summary>Takes a block with one reference, evicting the least recently used cached one if need be; false when all are held.</summary>
    public bool TryAllocate(out int block)
    {
        if (_freeCount > 0)
        {
            block = _free[--_freeCount];
        }
        else if (_oldest != None)
        {
            block = _oldest;
            Unlink(block);
            Forget(block);
        }
        else
        {
            block = None;
            return false;
        }

        Debug.Assert(_references[block] == 0 && !_contents[block].IsRegistered);
        _references[block] = 1;
        _heldCount++;
        AssertConserved();
        return true;
    }

    /// <summary>Adds a reference to a held or cached block.</summary>
    public void Retain(int block)
    {
        if (_references[block]++ == 0)
        {
            Debug.Assert(_contents[block].IsRegistered, "a free block was retained");
            Unlink(block);
            _heldCount++;
        }

        AssertConserved();
    }

    /// <summary>Drops a reference. The last one makes the block cached if it has content to reuse, else free.</summary>
    public void Release(int block)
    {
        Debug.Assert(_references[block] > 0, "a block was released twice");
        if (--_references[block] > 0)
        {
            return;
        }

        _heldCount--;
        if (_contents[block].IsRegistered)
        {
            Link(block);
        }
        else
        {
            _free[_freeCount++] = block;
        }

        AssertConserved();
    }

    /// <summary>The block that holds these tokens after the given prefix, if one is held or cached. Takes no reference.</summary>
    public bool TryFind(PrefixNode prefix, string salt, ReadOnlySpan<int> tokens, out int block, out PrefixNode node)
    {
        Debug.Assert(tokens.Length == BlockSize);
        ulong hash = Chain(prefix, salt, tokens);
        if (!_byHash.TryGetValue(hash, out int head))
        {
            head = None;
        }

        block = FindFrom(head, prefix, salt, tokens);
        node = block == None ? default : new PrefixNode(_contents[block].Id, hash, block);
        return block != None;
    }

    /// <summary>Makes a held, wholly computed block addressable.</summary>
    /// <param name="block">The block.</param>
    /// <param name="prefix">What its sequence has before it.</param>
    /// <param name="salt">The sequence's salt.</param>
    /// <param name="tokens">The tokens that it holds.</param>
    /// <param name="node">The node of the content, for the next block of the sequence.</param>
    /// <returns>
    /// The block of the tree that holds this content: the one given, or an equal one that was registered before. The caller must then hold that one
    /// instead, so that a block's holders also hold its parent.
    /// </returns>
    public int Register(int block, PrefixNode prefix, string salt, ReadOnlySpan<int> tokens, out PrefixNode node)
    {
        Debug.Assert(tokens.Length == BlockSize && _references[block] > 0 && !_contents[block].IsRegistered);
        Debug.Assert(prefix.ContentId == 0 || (_contents[prefix.Block].Id == prefix.ContentId && _references[prefix.Block] > 0), "the parent is not held");
        ulong hash = Chain(prefix, salt, tokens);
        ref int head = ref CollectionsMarshal.GetValueRefOrAddDefault(_byHash, hash, out bool taken);
        int next = taken ? head : None;
        int equal = FindFrom(next, prefix, salt, tokens);
        if (equal != None)
        {
            node = new PrefixNode(_contents[equal].Id, hash, equal);
            return equal;
        }

        head = block;
        _sameHash[block] = next;
        tokens.CopyTo(TokensOf(block));
        _contents[block] = new Content(++_lastContentId, prefix.ContentId, prefix.Block, hash, salt);
        if (prefix.ContentId != 0)
        {
            _children[prefix.Block]++;
        }

        node = new PrefixNode(_lastContentId, hash, block);
        return block;
    }

    private int FindFrom(int block, PrefixNode prefix, string salt, ReadOnlySpan<int> tokens)
    {
        while (block != None && !Matches(block, prefix, salt, tokens))
        {
            block = _sameHash[block];
        }

        return block;
    }

    private Span<int> TokensOf(int block) => _tokens.AsSpan(block * BlockSize, BlockSize);

    private bool Matches(int block, PrefixNode prefix, string salt, ReadOnlySpan<int> tokens)
    {
        ref readonly Content content = ref _contents[block];
        return content.PrefixId == prefix.ContentId && string.Equals(content.Salt, salt, StringComparison.Ordinal) && tokens.SequenceEqual(TokensOf(block));
    }

    /// <summary>FNV-1a over whole ids with a final mix; string hashes are keyed per process, so salted hashes cannot be prepared outside.</summary>
    private ulong Chain(PrefixNode prefix, string salt, ReadOnlySpan<int> tokens)
    {
        const ulong Prime = 0x100000001b3;
        ulong hash = prefix.ContentId == 0 ? 0xcbf29ce484222325 ^ (uint)string.GetHashCode(salt, StringComparison.Ordinal) : prefix.Hash;
        foreach (int token in tokens)
        {
            hash = (hash ^ (uint)token) * Prime;
            hash ^= hash >> 32;
        }

        return hash & _hashMask;
    }

    /// <summary>Takes a leaf out of the tree.</summary>
    private void Forget(int block)
    {
        Debug.Assert(_children[block] == 0, "what follows an evicted block cannot be reached any more");
        Content content = _contents[block];
        ref int link = ref CollectionsMarshal.GetValueRefOrNullRef(_byHash, content.Hash);
        if (link == block && _sameHash[block] == None)
        {
            _byHash.Remove(content.Hash);
        }
        else
        {
            while (link != block)
            {
                link = ref _sameHash[link];
            }

            link = _sameHash[block];
        }

        if (content.PrefixId != 0)
        {
            _children[content.Parent]--;
        }

        _contents[block] = default;
    }

    private void Link(int block)
    {
        _older[block] = _newest;
        _newer[block] = None;
        if (_newest == None)
        {
            _oldest = block;
        }
        else
        {
            _newer[_newest] = block;
        }

        _newest = block;
        _cachedCount++;
    }

    private void Unlink(int block)
    {
        (int older, int newer) = (_older[block], _newer[block]);
        if (older == None)
        {
            _oldest = newer;
        }
        else
        {
            _newer[older] = newer;
        }

        if (newer == None)
        {
            _newest = older;
        }
        else
        {
            _older[newer] = older;
        }

        _cachedCount--;
    }

    [Conditional("DEBUG")]
    private void AssertConserved() => Debug.Assert(_freeCount + _cachedCount + _heldCount == Total && _freeCount >= 0 && _cachedCount >= 0);

    /// <summary>What a block holds for reuse; the default means nothing.</summary>
    private readonly record struct Content(long Id, long PrefixId, int Parent, ulong Hash, string? Salt)
    {
        public bool IsRegistered => Id != 0;
    }
}
