using HelixFlow.Engine.Sampling;

namespace HelixFlow.Engine.Tests.Sampling;

/// <summary>Selection against sorting, over sets with many equal values.</summary>
public sealed class SelectionTests
{
    private readonly Random _random = new(41);

    [Fact]
    public void The_candidate_at_a_rank_is_that_of_the_sorted_set()
    {
        for (int round = 0; round < 2000; round++)
        {
            Candidate[] set = RandomSet(_random.Next(1, 200));
            Candidate[] sorted = Sorted(set);
            int rank = _random.Next(set.Length);

            Assert.Equal(sorted[rank], Selection.AtRank(set, rank));
            Assert.Equal(sorted[..rank].ToHashSet(), set[..rank].ToHashSet());
        }
    }

    [Fact]
    public void The_candidate_at_a_mass_is_where_the_sorted_set_reaches_it()
    {
        for (int round = 0; round < 3000; round++)
        {
            Candidate[] set = RandomSet(_random.Next(1, 400));
            Candidate[] sorted = Sorted(set);
            Candidate[] before = [.. set];
            double total = set.Sum(candidate => (double)candidate.Value);
            double mass = total * _random.NextDouble();

            Candidate ofMany = Selection.AtMassOfMany(set, mass, new Candidate[set.Length]);

            Assert.Equal(before, set);
            Assert.Equal(ofMany, Selection.AtMass(set, mass));
            int place = Array.IndexOf(sorted, ofMany);
            double below = sorted.Take(place).Sum(candidate => (double)candidate.Value);
            Assert.InRange(mass, below - 1e-12, below + ofMany.Value + 1e-12);
        }
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(1)]
    [InlineData(7)]
    public void A_mass_beyond_the_whole_is_reached_by_the_last_candidate_at_best(double mass)
    {
        Candidate[] set = [new(0.25f, 0), new(0, 1), new(0.125f, 2)];

        Candidate last = Selection.AtMassOfMany(set, mass, new Candidate[3]);

        Assert.True(last is { Token: 1 or 2 });
    }

    private static Candidate[] Sorted(Candidate[] set) => [.. set.OrderByDescending(candidate => candidate.Value).ThenBy(candidate => candidate.Token)];

    private Candidate[] RandomSet(int count)
    {
        // Powers of two and a few of their multiples sum without rounding, so that both ways agree on the same candidate.
        Candidate[] set = [.. Enumerable.Range(0, count).Select(i => new Candidate(_random.Next(0, 64) / 64f * MathF.Pow(2, -_random.Next(0, 12)), i))];
        set[_random.Next(count)] = set[_random.Next(count)] with { Value = 1 };
        return [.. set.DistinctBy(candidate => candidate.Token)];
    }
}
