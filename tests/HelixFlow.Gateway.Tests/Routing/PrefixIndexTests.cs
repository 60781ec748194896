using HelixFlow.Gateway.Routing;
using HelixFlow.TestKit.Measures;

namespace HelixFlow.Gateway.Tests.Routing;

public sealed class PrefixIndexTests
{
    [Fact]
    public void The_match_is_the_number_of_first_blocks_that_are_held()
    {
        for (int length = 1; length <= 40; length++)
        {
            ulong[] chain = Chain(seed: 1, length);
            for (int held = 0; held <= length; held++)
            {
                var index = new PrefixIndex(100);
                index.Add(chain.AsSpan(0, held));

                Assert.Equal(held, index.LongestMatch(chain));
            }
        }
    }

    [Fact]
    public void An_empty_index_and_an_empty_chain_match_nothing()
    {
        var index = new PrefixIndex(4);

        Assert.Equal(0, index.LongestMatch([1, 2, 3]));
        index.Add([1, 2, 3]);
        Assert.Equal(0, index.LongestMatch([]));
        Assert.Equal(0, index.LongestMatch([4, 5]));
    }

    [Fact]
    public void When_it_is_full_the_end_of_the_oldest_chain_goes_first()
    {
        var index = new PrefixIndex(6);
        index.Add([1, 2, 3]);
        index.Add([11, 12, 13]);

        index.Add([21, 22]);

        Assert.Equal(1, index.LongestMatch([1, 2, 3]));
        Assert.Equal(3, index.LongestMatch([11, 12, 13]));
        Assert.Equal(2, index.LongestMatch([21, 22]));
    }

    [Fact]
    public void A_chain_longer_than_the_capacity_keeps_its_beginning()
    {
        var index = new PrefixIndex(4);

        index.Add(Chain(seed: 2, 100));

        Assert.Equal(4, index.Count);
        Assert.Equal(4, index.LongestMatch(Chain(seed: 2, 100)));
    }

    [Fact]
    public void A_snapshot_replaces_what_was_believed()
    {
        var index = new PrefixIndex(3);
        index.Add([1, 2, 3]);

        index.Replace([7, 8, 9, 10]);

        Assert.Equal(0, index.LongestMatch([1, 2, 3]));
        Assert.Equal(3, index.LongestMatch([7, 8, 9, 10]));
    }

    [Fact]
    public void Changes_add_and_remove()
    {
        var index = new PrefixIndex(10);
        index.Add([1, 2, 3]);

        index.Apply(added: [1, 2, 4], removed: [2, 3, 99]);

        Assert.Equal(2, index.LongestMatch([1, 2, 3]));
        Assert.Equal(3, index.LongestMatch([1, 2, 4]));
        Assert.Equal(3, index.Count);
    }

    [Fact]
    public void Any_use_gives_what_an_obvious_list_gives()
    {
        var random = new Random(74);
        for (int round = 0; round < 60; round++)
        {
            int capacity = random.Next(1, 200);
            var index = new PrefixIndex(capacity);
            var reference = new List<ulong>(); // most recently used first
            for (int step = 0; step < 300; step++)
            {
                ulong[] chain = Chain(seed: random.Next(12), random.Next(30));
                switch (random.Next(8))
                {
                    case 0:
                        index.Replace(chain);
                        reference.Clear();
                        Use(reference, chain, capacity);
                        break;
                    case 1:
                        ulong[] removed = Chain(seed: random.Next(12), 30)[random.Next(30)..]; // ends go, as nodes evict
                        index.Apply(chain, removed);
                        reference.RemoveAll(removed.Contains);
                        Use(reference, chain, capacity);
                        break;
                    case 2 when random.Next(20) == 0:
                        index.Clear();
                        reference.Clear();
                        break;
                    default:
                        index.Add(chain);
                        Use(reference, chain, capacity);
                        break;
                }

                ulong[] asked = Chain(seed: random.Next(12), 30);
                Assert.Equal(reference.Count, index.Count);
                Assert.Equal(asked.TakeWhile(reference.Contains).Count(), index.LongestMatch(asked));
                Assert.All(reference, hash => Assert.True(index.Contains(hash)));
            }
        }
    }

    [Fact]
    public void Grown_to_its_size_it_allocates_nothing()
    {
        var index = new PrefixIndex(500);
        index.Add(Chain(seed: 3, 500));
        ulong[] chain = Chain(seed: 4, 300);

        Assert.Equal(0, ThreadAllocations.Least(() =>
        {
            index.Add(chain);
            index.LongestMatch(chain);
            index.Apply(chain, chain);
        }));
    }

    private static void Use(List<ulong> reference, ulong[] chain, int capacity)
    {
        foreach (ulong hash in chain.Take(capacity).Reverse())
        {
            reference.Remove(hash);
            reference.Insert(0, hash);
            if (reference.Count > capacity)
            {
                reference.RemoveAt(capacity);
            }
        }
    }

    // Chains of the same seed are prefixes of each other; others share nothing. The hashes of a few share their low bits, as buckets do.
    private static ulong[] Chain(int seed, int length) =>
        [.. Enumerable.Range(0, length).Select(at => ((ulong)(seed + 1) << 40) | ((ulong)at << (seed % 3 * 8)))];
}
