using HelixFlow.Engine.Execution;

namespace HelixFlow.Engine.Tests.Execution;

public sealed class EncoderQueueTests
{
    [Fact]
    public void Projects_share_by_weight_and_higher_priorities_go_first()
    {
        var queue = new EncoderQueue(TimeSpan.FromSeconds(30));
        long number = 0;
        foreach ((string project, int count, double weight, int priority) in ((string, int, double, int)[])[("long", 8, 1, 0), ("short", 4, 2, 0), ("urgent", 1, 1, 1)])
        {
            for (int i = 0; i < count; i++)
            {
                queue.Add(new EncoderJob(new EncoderRequest { RequestId = "r", Tokens = new int[10], Project = project, Priority = priority }, weight, TimeSpan.Zero, number++));
            }
        }

        var order = new List<EncoderJob>();
        queue.Take(TimeSpan.Zero, _ => true, order);

        Assert.Equal(["urgent", "long", "short", "short", "long", "short", "short"], order.Take(7).Select(job => job.Request.Project));
        Assert.Equal(13, order.Count);
        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public void A_low_priority_that_has_waited_long_goes_first()
    {
        var queue = new EncoderQueue(TimeSpan.FromSeconds(30));
        queue.Add(new EncoderJob(new EncoderRequest { RequestId = "old", Tokens = new int[1], Priority = -1 }, 1, TimeSpan.Zero, 0));
        queue.Add(new EncoderJob(new EncoderRequest { RequestId = "new", Tokens = new int[1] }, 1, TimeSpan.FromSeconds(89), 1));
        var order = new List<EncoderJob>();

        queue.Take(TimeSpan.FromSeconds(89), _ => true, order);

        Assert.Equal(["old", "new"], order.Select(job => job.Request.RequestId));
    }

    [Fact]
    public void A_batch_takes_jobs_in_order_for_as_long_as_they_fit_and_the_rest_stays()
    {
        var queue = new EncoderQueue(TimeSpan.FromSeconds(30));
        for (int i = 0; i < 5; i++)
        {
            queue.Add(new EncoderJob(new EncoderRequest { RequestId = $"{i}", Tokens = new int[1 + i] }, 1, TimeSpan.Zero, i));
        }

        int rows = 0;
        var batch = new List<EncoderJob>();
        queue.Take(TimeSpan.Zero, job => (rows += job.Tokens.Length) <= 6, batch);
        Assert.Equal(["0", "1", "2"], batch.Select(job => job.Request.RequestId));
        Assert.Equal(2, queue.Count);
        Assert.Equal(["3", "4"], queue.TakeAll().Select(job => job.Request.RequestId));
        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public void A_job_that_leaves_is_not_taken_and_projects_without_number_are_forgotten()
    {
        var queue = new EncoderQueue(TimeSpan.FromSeconds(30));
        var stays = new EncoderJob(new EncoderRequest { RequestId = "stays", Tokens = new int[1] }, 1, TimeSpan.Zero, 0);
        queue.Add(stays);
        for (int i = 1; i < 5000; i++)
        {
            var job = new EncoderJob(new EncoderRequest { RequestId = "leaves", Tokens = new int[9], Project = $"{i}" }, 1, TimeSpan.Zero, i);
            queue.Add(job);
            Assert.True(queue.Remove(job));
            Assert.False(queue.Remove(job));
        }

        var batch = new List<EncoderJob>();
        queue.Take(TimeSpan.Zero, _ => true, batch);
        Assert.Same(stays, Assert.Single(batch));
    }
}
