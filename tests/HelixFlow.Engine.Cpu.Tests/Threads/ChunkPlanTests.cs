using HelixFlow.Engine.Cpu.Threads;

namespace HelixFlow.Engine.Cpu.Tests.Threads;

public sealed class ChunkPlanTests
{
    [Fact]
    public void Chunks_cover_all_units_in_order_within_their_bounds()
    {
        var plan = new ChunkPlan();
        var random = new Random(11);
        for (int round = 0; round < 2000; round++)
        {
            int units = random.Next(0, 3000);
            int workers = random.Next(1, 9);
            int smallest = random.Next(1, 20);
            int largest = smallest + random.Next(0, 400);

            plan.Cut(units, workers, smallest, largest);

            int next = 0;
            for (int chunk = 0; chunk < plan.Count; chunk++)
            {
                (int first, int end) = plan[chunk];
                Assert.Equal(next, first);
                Assert.InRange(end - first, chunk == plan.Count - 1 ? 1 : smallest, largest);
                next = end;
            }

            Assert.Equal(units, next);
        }
    }

    [Fact]
    public void Chunks_shrink_and_the_last_ones_are_small()
    {
        var plan = new ChunkPlan();

        plan.Cut(1024, 2, 2, 1024);

        int[] sizes = [.. Enumerable.Range(0, plan.Count).Select(chunk => plan[chunk].End - plan[chunk].First)];
        Assert.Equal(sizes.OrderDescending(), sizes);
        Assert.Equal(256, sizes[0]);
        Assert.InRange(sizes[^1], 1, 2);
        Assert.InRange(plan.Count, 10, 24);
    }
}
