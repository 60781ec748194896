using HelixFlow.Simulation.Measures;

namespace HelixFlow.Simulation.Tests;

public sealed class HitBoundTests
{
    [Fact]
    public void With_room_for_all_every_request_but_the_first_of_each_model_can_be_a_hit()
    {
        Assert.Equal(3, Bound(100, "abaab", 1, 1));
        Assert.Equal(0, Bound(0, "abaab", 1, 1));
    }

    [Fact]
    public void It_is_never_below_the_best_that_any_cache_can_do()
    {
        var random = new Random(3);
        bool tight = false;
        for (int round = 0; round < 3000; round++)
        {
            long[] sizes = [random.Next(1, 5), random.Next(1, 5), random.Next(1, 5)];
            string requests = string.Concat(Enumerable.Range(0, random.Next(1, 9)).Select(_ => (char)('a' + random.Next(3))));
            int capacity = random.Next(1, 9);

            int best = Best(requests, sizes, capacity);
            int bound = Bound(capacity, requests, sizes);

            Assert.InRange(bound, best, requests.Length);
            tight |= bound == best && best > 1;
        }

        Assert.True(tight);
    }

    private static int Bound(long capacity, string requests, params long[] sizes) => HitBound.Compute(
        requests.Select(static (model, at) => (TimeSpan.FromSeconds(at), model.ToString())),
        sizes.Select(static (bytes, at) => ((char)('a' + at), bytes)).ToDictionary(static model => model.Item1.ToString(), static model => model.bytes),
        capacity,
        TimeSpan.Zero,
        TimeSpan.FromSeconds(requests.Length - 1));

    /// <summary>By trying every set of models that could be kept after every request; a model that is asked for has to be brought in.</summary>
    private static int Best(string requests, long[] sizes, long capacity)
    {
        var best = new Dictionary<int, int> { [0] = 0 }; // [set of models kept] hits
        foreach (char request in requests)
        {
            int asked = 1 << (request - 'a');
            var next = new Dictionary<int, int>();
            foreach ((int kept, int hits) in best)
            {
                for (int after = 0; after < 1 << sizes.Length; after++)
                {
                    bool allowed = (after & ~(kept | asked)) == 0 && Enumerable.Range(0, sizes.Length).Sum(model => (after >> model & 1) * sizes[model]) <= capacity;
                    if (allowed)
                    {
                        next[after] = Math.Max(next.GetValueOrDefault(after), hits + ((kept & asked) != 0 ? 1 : 0));
                    }
                }
            }

            best = next;
        }

        return best.Values.Max();
    }
}
