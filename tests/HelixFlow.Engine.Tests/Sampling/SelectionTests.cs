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

            Candidate last = Selection.AtMass(set, mass);

            Assert.Equal(before.ToHashSet(), set.ToHashSet());
            int place = Array.IndexOf(sorted, last);
            double below = sorted.Take(place).Sum(candidate => (double)candidate.Value);
            Assert.InRange(mass, below - 1e-12, below + last.Value + 1e-12);
        }
    }

    [Fact]
    public void The_candidate_at_a_mass_of_a_row_is_found_where_it_lies()
    {
        for (int round = 0; round < 300; round++)
        {
            // Long rows are halved; in one of a single weight, all are equal.
            int count = _random.Next(1, round % 3 == 0 ? 6000 : 50);
            float[] row = [.. round % 10 == 0 ? Enumerable.Repeat(1f, count) : RandomSet(count).Select(candidate => candidate.Value)];
            float[] before = [.. row];
            Candidate[] set = [.. row.Select((value, token) => new Candidate(value, token))];
            double mass = row.Sum(value => (double)value) * _random.NextDouble();

            Candidate ofRow = Selection.AtMassOfRow(row, 1e-6f, mass, new Candidate[count]);

            Assert.Equal(before, row);
            Assert.Equal(Selection.AtMass(set, mass), ofRow);
        }
    }

    [Theory]
    [InlineData(1.5)]
    [InlineData(7)]
    public void A_mass_beyond_the_whole_cuts_nothing_off(double mass)
    {
        float[] row = [0.25f, 0, 1, 0.125f];

        Candidate last = Selection.AtMassOfRow(row, 0.1f, mass, new Candidate[4]);
        RowMath.ClearBelow(row, last.Value, last.Token);

        Assert.Equal([0.25f, 0, 1, 0.125f], row);
    }

    [Fact]
    public void What_lies_behind_a_candidate_is_cleared_and_nothing_else()
    {
        for (int round = 0; round < 500; round++)
        {
            Candidate[] set = RandomSet(_random.Next(1, 100));
            Candidate last = set[_random.Next(set.Length)];
            float[] row = [.. set.Select(candidate => candidate.Value)];
            (double sum, int count) = RowMath.FromLimit(row, last.Value);

            RowMath.ClearBelow(row, last.Value, last.Token);

            Assert.Equal(set.Select(candidate => candidate.IsBefore(last) || candidate == last ? candidate.Value : 0), row);
            Assert.Equal((set.Where(candidate => candidate.Value >= last.Value).Sum(candidate => (double)candidate.Value), set.Count(candidate => candidate.Value >= last.Value)), (sum, count));
        }
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
