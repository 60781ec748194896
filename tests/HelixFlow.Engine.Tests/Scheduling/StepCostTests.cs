using HelixFlow.Engine.Scheduling;

namespace HelixFlow.Engine.Tests.Scheduling;

public sealed class StepCostTests
{
    [Fact]
    public void An_affine_machine_is_learned_from_steps_of_random_shape()
    {
        var random = new Random(5);
        for (int machine = 0; machine < 50; machine++)
        {
            (double fixedMs, double decodeMs, double prefillMs) = (random.NextDouble() * 100, random.NextDouble() * 5, 0.1 + (random.NextDouble() * 5));
            var cost = new StepCost();
            for (int step = 0; step < 300; step++)
            {
                int decode = random.Next(1, 17);
                int prefill = random.Next(3) == 0 ? random.Next(1, 200) : 0;
                cost.Learn(decode, prefill, Milliseconds(fixedMs + (decode * decodeMs) + (prefill * prefillMs)));
            }

            Assert.Equal(fixedMs + (8 * decodeMs), cost.DecodeSeconds(8) * 1000, (fixedMs + (8 * decodeMs)) * 0.1);
            Assert.Equal(prefillMs, cost.SecondsPerPrefillRow!.Value * 1000, prefillMs * 0.15);
        }
    }

    [Fact]
    public void What_is_known_of_prefill_survives_any_number_of_decode_steps()
    {
        var cost = new StepCost();
        cost.Learn(4, 0, Milliseconds(30));
        cost.Learn(4, 50, Milliseconds(130));
        for (int step = 0; step < 100_000; step++)
        {
            cost.Learn(4, 0, Milliseconds(30));
        }

        Assert.Equal(0.002, cost.SecondsPerPrefillRow!.Value, 1e-9);
    }

    [Fact]
    public void One_number_of_decode_rows_says_nothing_of_their_slope()
    {
        var cost = new StepCost();
        for (int step = 0; step < 100; step++)
        {
            cost.Learn(4, 0, Milliseconds(30 + (step % 3)));
        }

        Assert.InRange(cost.DecodeSeconds(4), 0.030, 0.032);
        Assert.Equal(cost.DecodeSeconds(4), cost.DecodeSeconds(9));
    }

    [Fact]
    public void A_delayed_step_moves_an_estimate_by_a_tenth_at_most_and_a_slower_machine_is_followed()
    {
        var cost = new StepCost();
        for (int step = 0; step < 50; step++)
        {
            cost.Learn(4, 0, Milliseconds(30));
            cost.Learn(4, 40, Milliseconds(110));
        }

        cost.Learn(4, 0, TimeSpan.FromSeconds(20));
        cost.Learn(4, 40, TimeSpan.FromSeconds(20));

        Assert.InRange(cost.DecodeSeconds(4), 0.030, 0.0331);
        Assert.InRange(cost.SecondsPerPrefillRow!.Value, 0.002, 0.0024);

        for (int step = 0; step < 60; step++)
        {
            cost.Learn(4, 0, Milliseconds(120));
            cost.Learn(4, 40, Milliseconds(440));
        }

        Assert.Equal(0.120, cost.DecodeSeconds(4), 0.005);
        Assert.Equal(0.008, cost.SecondsPerPrefillRow!.Value, 0.0005);
    }

    [Fact]
    public void Nothing_is_negative_or_not_a_number_whatever_is_measured()
    {
        var random = new Random(11);
        for (int round = 0; round < 200; round++)
        {
            var cost = new StepCost();
            for (int step = 0; step < 200; step++)
            {
                double seconds = random.Next(4) switch { 0 => 0, 1 => 1e-7, 2 => random.NextDouble(), _ => 1e5 * random.NextDouble() };
                cost.Learn(random.Next(65), random.Next(2) * random.Next(513), TimeSpan.FromSeconds(seconds));
                Assert.True(double.IsFinite(cost.DecodeSeconds(random.Next(100))));
                Assert.InRange(cost.DecodeSeconds(random.Next(100)), 0, 1e7);
                Assert.True(cost.SecondsPerPrefillRow is null or (>= 0 and < 1e7), $"{cost.SecondsPerPrefillRow}");
            }
        }
    }

    private static TimeSpan Milliseconds(double value) => TimeSpan.FromMilliseconds(value);
}
