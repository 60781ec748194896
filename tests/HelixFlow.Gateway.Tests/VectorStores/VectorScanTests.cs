using HelixFlow.Gateway.VectorStores;

namespace HelixFlow.Gateway.Tests.VectorStores;

public sealed class VectorScanTests
{
    [Fact]
    public void The_product_is_that_of_a_plain_loop_at_every_length()
    {
        var random = new Random(1);
        for (int length = 0; length < 300; length++)
        {
            float[] left = Vector(random, length);
            float[] right = Vector(random, length);
            double expected = 0;
            for (int i = 0; i < length; i++)
            {
                expected += (double)left[i] * right[i];
            }

            Assert.Equal(expected, VectorScan.Dot(left, right), 1e-4);
        }
    }

    [Theory]
    [InlineData(1, 7)]
    [InlineData(384, 2000)]
    [InlineData(33, 5000)]
    public void The_nearest_vectors_are_those_that_a_plain_sort_finds(int dimensions, int count)
    {
        var random = new Random(dimensions);
        float[] query = Vector(random, dimensions);
        VectorScan.Normalise(query);
        float[][] vectors = [.. Enumerable.Range(0, count).Select(_ => Vector(random, dimensions))];
        foreach (float[] vector in vectors)
        {
            VectorScan.Normalise(vector);
        }

        var nearest = new NearestVectors(query, 100);
        for (int start = 0; start < count; start += 777)
        {
            int length = Math.Min(777, count - start);
            nearest.Scan(new VectorSegment([.. Enumerable.Range(start, length).Select(static i => (long)i)], [.. vectors.Skip(start).Take(length).SelectMany(static vector => vector)]));
        }

        List<(long Chunk, float Score)> found = nearest.ToList();
        double[] oracle = [.. vectors.Select(vector => vector.Zip(query, static (a, b) => (double)a * b).Sum())];
        double[] best = [.. oracle.OrderDescending().Take(100)];
        Assert.Equal(Math.Min(100, count), found.Count);
        Assert.Equal(found.Count, found.Select(static one => one.Chunk).Distinct().Count());
        for (int i = 0; i < found.Count; i++)
        {
            // What ties in float32 may come in either order: the product that stands at each place tells.
            Assert.Equal(best[i], oracle[found[i].Chunk], 1e-5);
            Assert.Equal(best[i], found[i].Score, 1e-5);
        }
    }

    [Fact]
    public void Equal_vectors_come_in_the_order_of_their_chunks()
    {
        var nearest = new NearestVectors(new float[] { 1 }, 3);
        nearest.Scan(new VectorSegment([9, 4, 7], [1, 1, 1]));
        nearest.Scan(new VectorSegment([2, 8], [1, 0.5f]));

        Assert.Equal([2, 4, 7], nearest.ToList().ConvertAll(static one => one.Chunk));
    }

    [Fact]
    public void The_cache_holds_no_more_than_it_may_and_drops_what_was_not_used_for_longest()
    {
        static VectorSegment Segment() => new([1], new float[1000]);
        long size = Segment().SizeBytes;
        var cache = new SegmentCache(3 * size);
        for (int file = 1; file <= 3; file++)
        {
            cache.Add(file, Segment());
        }

        Assert.NotNull(cache.Find(1));
        cache.Add(4, Segment());
        cache.Add(5, new VectorSegment([1], new float[10_000])); // larger than all of it

        Assert.Null(cache.Find(2));
        Assert.Null(cache.Find(5));
        Assert.All([1L, 3L, 4L], file => Assert.NotNull(cache.Find(file)));
        Assert.Equal(3 * size, cache.SizeBytes);
    }

    [Fact]
    public void Joined_rankings_put_first_what_is_first_everywhere()
    {
        List<(long Chunk, double Score)> joined = RankFusion.Join([([5, 6, 7], 1), ([5, 7], 1), ([], 1)]);

        Assert.Equal([5, 7, 6], joined.ConvertAll(static one => one.Chunk));
        Assert.Equal(1, joined[0].Score);
        Assert.Equal(((61.0 / 63) + (61.0 / 62)) / 2, joined[1].Score, 1e-12);
        Assert.Empty(RankFusion.Join([([], 1), ([], 1)]));
    }

    private static float[] Vector(Random random, int length) => [.. Enumerable.Range(0, length).Select(_ => (float)((random.NextDouble() * 2) - 1))];
}
