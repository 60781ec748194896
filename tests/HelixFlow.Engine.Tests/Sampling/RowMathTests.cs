using HelixFlow.Engine.Sampling;

namespace HelixFlow.Engine.Tests.Sampling;

public sealed class RowMathTests
{
    private readonly Random _random = new(31);

    [Fact]
    public void The_greatest_value_and_its_first_place_are_those_of_a_plain_loop()
    {
        for (int round = 0; round < 3000; round++)
        {
            // Few different values, so that the greatest stands in several places.
            float[] row = [.. Enumerable.Range(0, _random.Next(1, 150)).Select(_ => (float)_random.Next(-9, 9))];
            float max = RowMath.MaxOrNan(row);

            Assert.Equal(row.Max(), max);
            Assert.Equal(Array.IndexOf(row, max), RowMath.IndexOf(row, max));
            Assert.Equal(-1, RowMath.IndexOf(row, 10));
        }
    }

    [Fact]
    public void One_value_that_is_not_a_number_is_found_wherever_it_stands()
    {
        for (int length = 1; length < 100; length++)
        {
            float[] row = [.. Enumerable.Range(0, length).Select(_ => _random.NextSingle())];
            row[_random.Next(length)] = length % 2 == 0 ? float.NaN : -float.NaN;

            Assert.True(float.IsNaN(RowMath.MaxOrNan(row)));
            Assert.Equal(-1, RowMath.IndexOf(row, float.NaN));
        }
    }

    [Fact]
    public void A_row_of_nothing_but_forbidden_tokens_has_no_finite_greatest_value()
    {
        float[] row = new float[77];
        row.AsSpan().Fill(float.NegativeInfinity);

        Assert.Equal(float.NegativeInfinity, RowMath.MaxOrNan(row));
    }
}
