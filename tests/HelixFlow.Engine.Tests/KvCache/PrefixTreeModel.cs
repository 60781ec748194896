using HelixFlow.Engine.KvCache;

namespace HelixFlow.Engine.Tests.KvCache;

/// <summary>What a pool and its tables should do, said with strings and lists: the path of a block is its salt and all tokens up to its end.</summary>
internal sealed class PrefixTreeModel(int blocks, int blockSize)
{
    private readonly Dictionary<string, ModelBlock> _tree = [];
    private readonly List<ModelTable> _tables = [];
    private long _clock;

    public int Held => _tables.SelectMany(static table => table.Blocks).Distinct().Count();

    public int Cached => _tree.Values.Count(static block => block.References == 0);

    public int Free => blocks - Held - Cached;

    public long Evictions { get; private set; }

    /// <summary>Paths of the tree, in no order.</summary>
    public IEnumerable<string> Paths => _tree.Keys;

    public IReadOnlyList<ModelTable> Tables => _tables;

    public ModelTable Open(string salt)
    {
        var table = new ModelTable(salt);
        _tables.Add(table);
        return table;
    }

    /// <returns>Positions that need no computing.</returns>
    public int Reuse(ModelTable table, List<int> tokens)
    {
        int index = table.Computed / blockSize;
        for (; (index + 1) * blockSize < tokens.Count && _tree.TryGetValue(Path(table.Salt, tokens, index), out ModelBlock? found); index++)
        {
            found.References++;
            if (index < table.Blocks.Count)
            {
                table.Blocks[index].References--; // computed in part: nobody wants that
                table.Blocks[index] = found;
            }
            else
            {
                table.Blocks.Add(found);
            }
        }

        return Math.Max(table.Computed, index * blockSize);
    }

    public ReserveOutcome Reserve(ModelTable table, int end)
    {
        int partial = table.Computed / blockSize;
        bool copies = partial < table.Blocks.Count && table.Blocks[partial].References > 1;
        int missing = ((end + blockSize - 1) / blockSize) - table.Blocks.Count + (copies ? 1 : 0);
        if (missing > Free + Cached)
        {
            return ReserveOutcome.OutOfBlocks;
        }

        for (int i = Free; i < missing; i++)
        {
            Evict();
        }

        if (copies)
        {
            table.Blocks[partial].References--;
            table.Blocks[partial] = new ModelBlock();
        }

        while (table.Blocks.Count * blockSize < end)
        {
            table.Blocks.Add(new ModelBlock());
        }

        return copies ? ReserveOutcome.ReservedWithCopy : ReserveOutcome.Reserved;
    }

    public void RegisterWhole(ModelTable table, List<int> tokens)
    {
        for (int index = 0; (index + 1) * blockSize <= table.Computed; index++)
        {
            string path = Path(table.Salt, tokens, index);
            if (!_tree.TryAdd(path, table.Blocks[index]) && _tree[path] is { } first && first != table.Blocks[index])
            {
                table.Blocks[index].References--;
                table.Blocks[index] = first;
                first.References++;
            }
        }
    }

    public ModelTable Fork(ModelTable other)
    {
        ModelTable table = Open(other.Salt);
        table.Computed = other.Computed;
        foreach (ModelBlock block in other.Blocks)
        {
            block.References++;
            table.Blocks.Add(block);
        }

        return table;
    }

    public void Close(ModelTable table)
    {
        _tables.Remove(table);
        for (int i = table.Blocks.Count - 1; i >= 0; i--)
        {
            table.Blocks[i].References--;
            table.Blocks[i].Released = ++_clock;
        }
    }

    public string Path(string salt, List<int> tokens, int index) => salt + ":" + string.Concat(tokens.Take((index + 1) * blockSize).Select(static token => $"{token},"));

    private void Evict()
    {
        (string path, _) = _tree.Where(static entry => entry.Value.References == 0).MinBy(static entry => entry.Value.Released);
        Assert.DoesNotContain(_tree.Keys, other => other != path && other.StartsWith(path, StringComparison.Ordinal));
        _tree.Remove(path);
        Evictions++;
    }
}

/// <summary>A block of the model; compared by identity.</summary>
internal sealed class ModelBlock
{
    public int References { get; set; } = 1;

    public long Released { get; set; }
}

/// <summary>A sequence of the model.</summary>
internal sealed class ModelTable(string salt)
{
    public string Salt => salt;

    public List<ModelBlock> Blocks { get; } = [];

    public int Computed { get; set; }
}
