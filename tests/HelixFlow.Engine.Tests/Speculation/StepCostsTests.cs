using HelixFlow.Engine.Speculation;

namespace HelixFlow.Engine.Tests.Speculation;

public sealed class StepCostsTests
{
    [Fact]
    public void Costs_become_what_was_measured_and_the_rest_lies_between_or_a_little_above()
    {
        var costs = new StepCosts(16);
        for (int i = 0; i < 50; i++)
        {
            costs.Add(1, TimeSpan.FromMilliseconds(10));
            costs.Add(5, TimeSpan.FromMilliseconds(18));
        }

        Assert.Equal(0.010, costs.Of(1), 4);
        Assert.Equal(0.014, costs.Of(3), 4);
        Assert.Equal(0.018, costs.Of(5), 4);
        Assert.InRange(costs.Of(6), 0.018, 0.0184);
    }

    [Fact]
    public void Delayed_steps_move_a_cost_a_little_and_quick_ones_bring_it_back()
    {
        var costs = new StepCosts(4);
        costs.Add(1, TimeSpan.FromMilliseconds(100)); // the very first step waits for much
        for (int i = 0; i < 200; i++)
        {
            costs.Add(1, TimeSpan.FromMilliseconds(i % 10 == 0 ? 500 : 10));
        }

        Assert.InRange(costs.Of(1), 0.010, 0.011);
    }

    [Fact]
    public void A_cost_that_was_not_measured_for_long_is_tried_again()
    {
        var costs = new StepCosts(4);
        costs.Add(2, TimeSpan.FromMilliseconds(100));
        for (int i = 0; i < 20; i++)
        {
            costs.Add(1, TimeSpan.FromMilliseconds(10));
        }

        double soon = costs.Of(2);
        for (int i = 0; i < 3000; i++)
        {
            costs.Add(1, TimeSpan.FromMilliseconds(10));
        }

        Assert.InRange(soon, 0.09, 0.1);
        Assert.InRange(costs.Of(2), 0.010, 0.011);
    }

    [Fact]
    public void Nothing_is_learnt_from_a_clock_that_stands_still()
    {
        var costs = new StepCosts(4);
        costs.Add(1, TimeSpan.Zero);

        Assert.InRange(costs.Of(4) / costs.Of(1), 1, 1.1);
    }
}
