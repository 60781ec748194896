using HelixFlow.Engine.KvCache;

namespace HelixFlow.Engine.Tests.KvCache;

/// <summary>Pool and tables against <see cref="PrefixTreeModel"/> under random work.</summary>
public sealed class PrefixTreeTests
{
    private const int Size = 2;

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData(7UL)]
    [InlineData(0UL)]
    public void Random_work_finds_evicts_shares_and_copies_as_the_model_does(ulong hashMask)
    {
        long evictions = 0;
        long found = 0;
        for (int seed = 0; seed < 60; seed++)
        {
            var work = new RandomWork(seed, hashMask);
            for (int step = 0; step < 300; step++)
            {
                work.Step();
            }

            evictions += work.Evictions;
            found += work.Found;
        }

        Assert.True(evictions > 1000 && found > 1000, $"{evictions} evictions, {found} positions found: the work does not press the pool");
    }

    [Fact]
    public void Two_that_compute_the_same_blocks_at_the_same_time_share_them_afterwards()
    {
        var pool = new BlockPool(8, Size);
        int[] tokens = [1, 2, 3, 4, 5];
        BlockTable[] tables = [new BlockTable(""), new BlockTable("")];
        foreach (BlockTable table in tables)
        {
            table.Reserve(pool, 0, 5, out _);
        }

        Assert.Equal(6, pool.Held);
        foreach (BlockTable table in tables)
        {
            table.RegisterWhole(pool, tokens, 5);
        }

        Assert.Equal(4, pool.Held);
        Assert.Equal(tables[0].Blocks.Span[..2], tables[1].Blocks.Span[..2]);
        Assert.NotEqual(tables[0].Blocks.Span[2], tables[1].Blocks.Span[2]);
    }

    [Fact]
    public void A_block_computed_in_part_gives_way_to_a_whole_one()
    {
        var pool = new BlockPool(8, Size);
        int[] tokens = [1, 2, 3, 4, 5, 6];
        var late = new BlockTable("");
        late.Reserve(pool, 0, 3, out _);
        late.RegisterWhole(pool, tokens, 3);
        var early = new BlockTable("");
        Assert.Equal(2, early.Reuse(pool, tokens));
        early.Reserve(pool, 2, 6, out _);
        early.RegisterWhole(pool, tokens, 6);

        Assert.Equal(4, late.Reuse(pool, tokens, 3));

        Assert.Equal(early.Blocks.Span[..2], late.Blocks.Span);
        Assert.Equal((3, 0, 5), (pool.Held, pool.Cached, pool.Free));
    }

    /// <summary>A pool with its model, and what each real block holds.</summary>
    private sealed class RandomWork
    {
        private readonly Random _random;
        private readonly BlockPool _pool;
        private readonly PrefixTreeModel _model;
        private readonly Dictionary<int, string> _contents = []; // [block]: what was computed in it
        private readonly List<(ModelTable Model, BlockTable Real, List<int> Tokens)> _open = [];

        public RandomWork(int seed, ulong hashMask)
        {
            _random = new Random(seed);
            int blocks = _random.Next(6, 25);
            _pool = new BlockPool(blocks, Size, hashMask);
            _model = new PrefixTreeModel(blocks, Size);
        }

        public long Evictions => _model.Evictions;

        public long Found { get; private set; }

        public void Step()
        {
            switch (_random.Next(10))
            {
                case 0 or 1 when _open.Count < 5:
                    string salt = _random.Next(4) == 0 ? "b" : "a";
                    _open.Add((_model.Open(salt), new BlockTable(salt), RandomTokens(_random.Next(1, 14))));
                    break;
                case 2 when _open.Count > 0:
                    Close(_random.Next(_open.Count));
                    break;
                case 3 when _open.Count is > 0 and < 5:
                    Fork(_open[_random.Next(_open.Count)]);
                    break;
                default:
                    if (_open.Count > 0)
                    {
                        Advance(_open[_random.Next(_open.Count)]);
                    }

                    break;
            }

            Check();
        }

        /// <summary>As the scheduler does: look for what is cached, make room, compute, register.</summary>
        private void Advance((ModelTable Model, BlockTable Real, List<int> Tokens) entry)
        {
            (ModelTable model, BlockTable real, List<int> tokens) = entry;
            if (model.Computed == tokens.Count)
            {
                tokens.AddRange(RandomTokens(1)); // it decodes
            }
            else if (_random.Next(4) > 0)
            {
                int computed = _model.Reuse(model, tokens);
                Assert.Equal(computed, real.Reuse(_pool, [.. tokens], model.Computed));
                Found += computed - model.Computed;
                model.Computed = computed;
            }

            int end = Math.Min(tokens.Count, model.Computed + _random.Next(1, 6));
            ReserveOutcome outcome = _model.Reserve(model, end);
            Assert.Equal(outcome, real.Reserve(_pool, model.Computed, end, out BlockCopy copy));
            if (outcome == ReserveOutcome.OutOfBlocks)
            {
                Close(_random.Next(_open.Count)); // somebody is preempted
                return;
            }

            if (outcome == ReserveOutcome.ReservedWithCopy)
            {
                _contents[copy.Destination] = _contents[copy.Source];
            }

            for (int position = model.Computed; position < end; position++)
            {
                int block = real.Blocks.Span[position / Size];
                Assert.False(_pool.IsShared(block), "a shared block is written");
                string before = position % Size == 0 ? _model.Path(model.Salt, tokens, (position / Size) - 1) : _contents[block];
                _contents[block] = $"{before}{tokens[position]},";
            }

            model.Computed = end;
            _model.RegisterWhole(model, tokens);
            real.RegisterWhole(_pool, [.. tokens], end);
        }

        private void Fork((ModelTable Model, BlockTable Real, List<int> Tokens) entry)
        {
            if (entry.Model.Computed == entry.Tokens.Count)
            {
                var real = new BlockTable(entry.Model.Salt);
                real.ForkFrom(_pool, entry.Real);
                _open.Add((_model.Fork(entry.Model), real, [.. entry.Tokens]));
            }
        }

        private void Close(int index)
        {
            _model.Close(_open[index].Model);
            _open[index].Real.Clear(_pool);
            _open.RemoveAt(index);
        }

        private void Check()
        {
            Assert.Equal((_model.Held, _model.Cached, _model.Free), (_pool.Held, _pool.Cached, _pool.Free));
            foreach ((ModelTable model, BlockTable real, List<int> tokens) in _open)
            {
                Assert.Equal(model.Blocks.Count, real.Count);
                for (int index = 0; (index + 1) * Size <= model.Computed; index++)
                {
                    Assert.Equal(_model.Path(model.Salt, tokens, index), _contents[real.Blocks.Span[index]]);
                }
            }

            // Every path of the model is found block by block, with its content, and nothing else is.
            HashSet<string> paths = [.. _model.Paths];
            Walk("a", "a:", default, paths);
            Walk("b", "b:", default, paths);
            Assert.Empty(paths);
        }

        private void Walk(string salt, string path, PrefixNode node, HashSet<string> left)
        {
            for (int first = 0; first < 2; first++)
            {
                for (int second = 0; second < 2; second++)
                {
                    string next = $"{path}{first},{second},";
                    bool found = _pool.TryFind(node, salt, [first, second], out int block, out PrefixNode child);
                    Assert.Equal(left.Remove(next), found);
                    if (found)
                    {
                        Assert.Equal(next, _contents[block]);
                        Walk(salt, next, child, left);
                    }
                }
            }
        }

        private List<int> RandomTokens(int count) => [.. Enumerable.Range(0, count).Select(_ => _random.Next(2))];
    }
}
