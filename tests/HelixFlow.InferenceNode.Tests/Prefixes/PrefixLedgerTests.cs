using HelixFlow.InferenceNode.Prefixes;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Tests.Prefixes;

public sealed class PrefixLedgerTests
{
    private const int TokensPerBlock = PromptChain.BlockBytes / 4;

    private readonly PrefixLedger _ledger = new();

    [Fact]
    public void The_first_look_shows_everything_the_latest_chain_first_and_its_first_block_first()
    {
        _ledger.Add("m", [1, 2, 3], 1000 * TokensPerBlock);
        _ledger.Add("m", [1, 5], 1000 * TokensPerBlock);
        long seen = 0;

        PrefixDigest digest = _ledger.Read(ref seen);

        Assert.True(digest.Full);
        Assert.Equal([1ul, 5, 2, 3], digest.Added);
    }

    [Fact]
    public void Later_looks_show_what_has_changed()
    {
        long seen = 0;
        _ledger.Read(ref seen);
        _ledger.Add("m", [1, 2], 1000 * TokensPerBlock);
        PrefixDigest first = _ledger.Read(ref seen);
        _ledger.Add("m", [1, 2], 1000 * TokensPerBlock);
        PrefixDigest second = _ledger.Read(ref seen);
        _ledger.Forget("m");
        PrefixDigest third = _ledger.Read(ref seen);

        Assert.False(first.Full);
        Assert.Equal([1ul, 2], first.Added);
        Assert.Empty(second.Added.Concat(second.Removed));
        Assert.Equal(new ulong[] { 1, 2 }, third.Removed.Order());
    }

    [Fact]
    public void What_has_been_unused_longest_is_given_up_from_the_ends_of_chains()
    {
        long seen = 0;
        _ledger.Add("m", [1, 2, 3], 4 * TokensPerBlock);
        _ledger.Add("m", [7, 8], 4 * TokensPerBlock);

        PrefixDigest digest = _ledger.Read(ref seen);

        Assert.Equal([7ul, 8, 1, 2], digest.Added);
    }

    [Fact]
    public void Models_have_rooms_of_their_own()
    {
        long seen = 0;
        _ledger.Add("a", [1, 2], 2 * TokensPerBlock);
        _ledger.Add("b", [3, 4], 2 * TokensPerBlock);

        Assert.Equal(new ulong[] { 1, 2, 3, 4 }, _ledger.Read(ref seen).Added.Order());
    }

    [Fact]
    public void Watchers_that_apply_the_changes_always_know_what_there_is()
    {
        var random = new Random(3);
        var known = new HashSet<ulong>();
        long seen = 0;
        for (int step = 0; step < 3000; step++)
        {
            string model = random.Next(2) == 0 ? "a" : "b";
            if (random.Next(40) == 0)
            {
                _ledger.Forget(model);
            }
            else
            {
                ulong start = (ulong)random.Next(30) * 100 + (model == "a" ? 0ul : 50ul);
                _ledger.Add(model, [.. Enumerable.Range(0, random.Next(1, 20)).Select(i => start + (ulong)i)], 60 * TokensPerBlock);
            }

            if (random.Next(3) > 0)
            {
                continue; // a slow watcher
            }

            PrefixDigest digest = _ledger.Read(ref seen);
            if (digest.Full)
            {
                known.Clear();
            }

            known.UnionWith(digest.Added);
            known.ExceptWith(digest.Removed);
            long fresh = 0;
            Assert.Equal(_ledger.Read(ref fresh).Added.Order(), known.Order());
        }
    }
}
