using HelixFlow.Engine.Speculation;

namespace HelixFlow.Engine.Tests.Speculation;

public sealed class StepCostsTests
{
    [Fact]
    public void Costs_become_what_was_measured_and_the_rest_lies_between_or_a_little_above()
    {
        var costs = new StepCosts();
        for (int i = 0; i < 50; i++)
        {
            costs.Add(1, TimeSpan.FromMilliseconds(10));
            costs.Add(2, TimeSpan.FromMilliseconds(16));
            costs.Add(6, TimeSpan.FromMilliseconds(20));
        }

        Assert.Equal(0.010, costs.Of(1), 4);
        Assert.InRange(costs.Of(2), 0.015, 0.016);
        Assert.InRange(costs.Of(4), 0.016, 0.018);
        Assert.InRange(costs.Of(6), 0.019, 0.020);
        Assert.InRange(costs.Of(8), 0.020, 0.021);
    }

    [Fact]
    public void Rows_between_two_knots_teach_both()
    {
        var costs = new StepCosts();
        for (int i = 0; i < 400; i++)
        {
            int rows = 1 + (i % StepCosts.MaxRows);
            costs.Add(rows, TimeSpan.FromMilliseconds(10 + (2 * rows)));
        }

        Assert.All(Enumerable.Range(1, StepCosts.MaxRows), rows => Assert.InRange(costs.Of(rows), 0.85 * (0.010 + (0.002 * rows)), 1.01 * (0.010 + (0.002 * rows))));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void Delayed_steps_move_a_cost_a_little_and_quick_ones_bring_it_back(int rows)
    {
        var costs = new StepCosts();
        costs.Add(rows, TimeSpan.FromMilliseconds(100)); // the very first step waits for much
        for (int i = 0; i < 200; i++)
        {
            costs.Add(rows, TimeSpan.FromMilliseconds(i % 10 == 0 ? 500 : 10));
        }

        Assert.InRange(costs.Of(rows), 0.010, 0.011);
    }

    [Fact]
    public void A_machine_that_became_slower_is_followed()
    {
        var costs = new StepCosts();
        for (int i = 0; i < 300; i++)
        {
            costs.Add(1, TimeSpan.FromMilliseconds(i < 100 ? 10 : 30));
        }

        Assert.InRange(costs.Of(1), 0.029, 0.030);
    }

    [Fact]
    public void A_cost_that_was_not_measured_for_long_is_tried_again()
    {
        var costs = new StepCosts();
        for (int i = 0; i < 20; i++)
        {
            costs.Add(2, TimeSpan.FromMilliseconds(100));
            costs.Add(1, TimeSpan.FromMilliseconds(10));
        }

        double soon = costs.Of(2);
        for (int i = 0; i < 6000; i++)
        {
            costs.Add(1, TimeSpan.FromMilliseconds(10));
        }

        Assert.InRange(soon, 0.08, 0.1);
        Assert.InRange(costs.Of(2), 0.010, 0.013);
    }

    [Fact]
    public void Nothing_is_learnt_from_a_clock_that_stands_still()
    {
        var costs = new StepCosts();
        costs.Add(1, TimeSpan.Zero);

        Assert.InRange(costs.Of(4) / costs.Of(1), 1, 1.1);
    }
}
