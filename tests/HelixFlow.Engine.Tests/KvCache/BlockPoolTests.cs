using HelixFlow.Engine.KvCache;

namespace HelixFlow.Engine.Tests.KvCache;

public sealed class BlockPoolTests
{
    [Fact]
    public void Whole_blocks_of_an_equal_prompt_are_found_but_never_the_last_token()
    {
        var pool = new BlockPool(8, 4);
        int[] tokens = [1, 2, 3, 4, 5, 6, 7, 8];
        Compute(pool, "", tokens).Clear(pool);

        var again = new BlockTable("");

        Assert.Equal(4, again.Reuse(pool, tokens));
        Assert.Equal((1, 1), (pool.Held, pool.Cached));
    }

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData(3UL)]
    [InlineData(0UL)]
    public void Reuse_gives_only_blocks_of_equal_history_and_salt_even_when_hashes_collide(ulong hashMask)
    {
        const int Size = 2;
        var random = new Random(17);
        var pool = new BlockPool(24, Size, hashMask);
        var contents = new Dictionary<int, string>(); // what each block was computed for
        for (int round = 0; round < 3000; round++)
        {
            string salt = random.Next(2) == 0 ? "a" : "b";
            int[] tokens = [.. Enumerable.Range(0, random.Next(1, 12)).Select(_ => random.Next(2))];
            var table = new BlockTable(salt);
            int reused = table.Reuse(pool, tokens);
            for (int block = 0; block < reused / Size; block++)
            {
                Assert.Equal(History(salt, tokens, block), contents[table.Blocks.Span[block]]);
            }

            Assert.Equal(ReserveOutcome.Reserved, table.Reserve(pool, reused, tokens.Length, out _));
            for (int block = reused / Size; block < table.Count; block++)
            {
                contents[table.Blocks.Span[block]] = History(salt, tokens, block);
            }

            table.RegisterWhole(pool, tokens, tokens.Length);
            table.Clear(pool);
            Assert.Equal(0, pool.Held);
            Assert.Equal(pool.Total, pool.Free + pool.Cached);
        }

        static string History(string salt, int[] tokens, int block) => salt + ":" + string.Join(',', tokens.Take((block + 1) * Size));
    }

    [Fact]
    public void Salts_do_not_share()
    {
        var pool = new BlockPool(8, 2);
        int[] tokens = [1, 2, 3, 4, 5];
        Compute(pool, "one", tokens).Clear(pool);

        Assert.Equal(0, new BlockTable("two").Reuse(pool, tokens));
        Assert.Equal(4, new BlockTable("one").Reuse(pool, tokens));
    }

    [Fact]
    public void The_least_recently_used_prefix_is_evicted_first_and_from_its_end()
    {
        var pool = new BlockPool(4, 1);
        Compute(pool, "", [1, 2]).Clear(pool);
        Compute(pool, "", [8, 9]).Clear(pool);
        Touch([1, 2, 0]);

        Assert.True(pool.TryAllocate(out _));

        Assert.Equal(1, Touch([8, 9, 0]));
        Assert.Equal(2, Touch([1, 2, 0]));

        int Touch(int[] tokens)
        {
            var table = new BlockTable("");
            int reused = table.Reuse(pool, tokens);
            table.Clear(pool);
            return reused;
        }
    }

    [Fact]
    public void A_shared_partial_block_is_copied_for_every_writer_but_the_last()
    {
        var pool = new BlockPool(8, 4);
        BlockTable first = Compute(pool, "", [1, 2, 3, 4, 5]);
        var second = new BlockTable("");
        second.ForkFrom(pool, first);

        Assert.Equal(ReserveOutcome.ReservedWithCopy, second.Reserve(pool, 5, 6, out BlockCopy copy));
        Assert.Equal(first.Blocks.Span[1], copy.Source);
        Assert.Equal(second.Blocks.Span[1], copy.Destination);
        Assert.Equal(first.Blocks.Span[0], second.Blocks.Span[0]);
        Assert.Equal(ReserveOutcome.Reserved, first.Reserve(pool, 5, 6, out _));
        Assert.Equal(3, pool.Held);
    }

    [Fact]
    public void A_reservation_that_does_not_fit_changes_nothing()
    {
        var pool = new BlockPool(3, 2);
        BlockTable table = Compute(pool, "", [1, 2, 3]);

        Assert.Equal(ReserveOutcome.OutOfBlocks, table.Reserve(pool, 3, 7, out _));
        Assert.Equal((2, 1), (pool.Held, pool.Free));
    }

    private static BlockTable Compute(BlockPool pool, string salt, int[] tokens)
    {
        var table = new BlockTable(salt);
        int reused = table.Reuse(pool, tokens);
        table.Reserve(pool, reused, tokens.Length, out _);
        table.RegisterWhole(pool, tokens, tokens.Length);
        return table;
    }
}
