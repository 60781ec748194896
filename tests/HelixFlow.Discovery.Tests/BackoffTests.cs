namespace HelixFlow.Discovery.Tests;

public sealed class BackoffTests
{
    [Fact]
    public void Pauses_double_at_random_up_to_the_longest_and_begin_anew_after_a_success()
    {
        var backoff = new Backoff(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10), new Random(1));
        for (int round = 0; round < 100; round++)
        {
            foreach (double length in new[] { 1, 2, 4, 8, 10, 10, 10 })
            {
                Assert.InRange(backoff.Next().TotalSeconds, length / 2, length);
            }

            backoff.Reset();
        }
    }
}
