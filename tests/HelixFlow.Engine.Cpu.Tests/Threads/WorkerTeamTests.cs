using HelixFlow.Engine.Cpu.Threads;

namespace HelixFlow.Engine.Cpu.Tests.Threads;

public sealed class WorkerTeamTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Every_chunk_of_many_calls_is_done_exactly_once(int threads)
    {
        using var team = new WorkerTeam(threads);
        var work = new Counting();
        var random = new Random(3);
        for (int call = 0; call < 3000; call++)
        {
            int chunks = random.Next(1, 40);
            work.Reset(chunks);

            team.Run(work, chunks);

            Assert.All(work.Done, count => Assert.Equal(1, count));
        }
    }

    [Fact]
    public void A_failing_chunk_is_told_to_the_caller_and_the_team_goes_on()
    {
        using var team = new WorkerTeam(2);
        var work = new Counting { FailAt = 7 };
        work.Reset(16);

        InvalidOperationException failure = Assert.Throws<InvalidOperationException>(() => team.Run(work, 16));
        Assert.Equal("chunk 7", failure.InnerException!.Message);
        Assert.Equal(15, work.Done.Sum());

        work.FailAt = -1;
        work.Reset(16);
        team.Run(work, 16);
        Assert.Equal(16, work.Done.Sum());
    }

    [Fact]
    public void A_team_that_parked_wakes_up()
    {
        using var team = new WorkerTeam(3);
        var work = new Counting();
        using var parked = new ManualResetEventSlim();
        for (int call = 0; call < 20; call++)
        {
            // Longer than the workers spin: they are asleep, or about to fall asleep, when the call comes.
            parked.Wait(TimeSpan.FromMilliseconds(2));
            work.Reset(8);
            team.Run(work, 8);
            Assert.Equal(8, work.Done.Sum());
        }
    }

    private sealed class Counting : ParallelWork
    {
        public int FailAt { get; set; } = -1;

        public int[] Done { get; private set; } = [];

        public void Reset(int chunks) => Done = new int[chunks];

        public override void Run(int chunk, int worker)
        {
            if (chunk == FailAt)
            {
                throw new InvalidDataException($"chunk {chunk}");
            }

            Interlocked.Increment(ref Done[chunk]);
        }
    }
}
