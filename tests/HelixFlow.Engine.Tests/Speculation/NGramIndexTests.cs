using HelixFlow.Engine.Speculation;
using HelixFlow.TestKit.Measures;

namespace HelixFlow.Engine.Tests.Speculation;

public sealed class NGramIndexTests
{
    [Fact]
    public void Every_match_is_real_and_most_of_those_that_exist_are_found()
    {
        int existing = 0;
        int found = 0;
        for (int seed = 0; seed < 60; seed++)
        {
            var random = new Random(seed);
            int vocabulary = random.Next(2, 200);
            int[] tokens = [.. Enumerable.Range(0, random.Next(2, 600)).Select(_ => random.Next(vocabulary))];
            for (int i = 40; i < tokens.Length; i += 40)
            {
                tokens.AsSpan(random.Next(i - 20), Math.Min(20, tokens.Length - i)).CopyTo(tokens.AsSpan(i)); // as in a text that quotes
            }

            var index = new NGramIndex();
            for (int count = 1; count <= tokens.Length; count++)
            {
                index.Add(tokens.AsSpan(0, count));
                existing += Occurs(tokens.AsSpan(0, count), NGramIndex.Shortest) ? 1 : 0;
                if (index.MatchLength == 0)
                {
                    continue;
                }

                found++;
                Assert.InRange(index.MatchLength, NGramIndex.Shortest, NGramIndex.LongestCounted);
                Assert.InRange(index.Source, index.MatchLength, count - 1);
                Assert.Equal(tokens[(count - index.MatchLength)..count], tokens[(index.Source - index.MatchLength)..index.Source]);
            }
        }

        Assert.InRange(found, existing * 0.9, existing);
    }

    [Fact]
    public void The_longest_and_then_the_latest_occurrence_is_followed()
    {
        // After 1 2 came 3, then 4, then 5; after 9 1 2 came 4.
        int[] tokens = [7, 1, 2, 3, 9, 1, 2, 4, 8, 1, 2, 5, 6, 9, 1, 2];

        Assert.Equal(4, tokens[Follow(tokens).Source]);
        Assert.Equal(5, tokens[Follow([.. tokens[..13], 1, 2]).Source]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(17)]
    public void A_loop_is_guessed_from_its_second_round_on(int period)
    {
        int[] tokens = [.. Enumerable.Range(0, period * 40).Select(i => i % period)];
        var index = new NGramIndex();
        for (int count = 1; count <= tokens.Length; count++)
        {
            Assert.Equal(count > period + NGramIndex.Shortest, index.Add(tokens.AsSpan(0, count)));
        }
    }

    [Fact]
    public void Tokens_are_taken_in_without_allocating_but_for_doublings()
    {
        int[] tokens = [.. Enumerable.Range(0, 1000).Select(i => i * 7919 % 331)];
        var index = new NGramIndex();

        Assert.Equal(0, ThreadAllocations.Least(Begin, GoOn));

        void Begin()
        {
            index = new NGramIndex();
            for (int count = 1; count < 600; count++)
            {
                index.Add(tokens.AsSpan(0, count));
            }
        }

        void GoOn()
        {
            for (int count = 600; count <= 1000; count++)
            {
                index.Add(tokens.AsSpan(0, count));
            }
        }
    }

    private static NGramIndex Follow(int[] tokens)
    {
        var index = new NGramIndex();
        while (index.Count < tokens.Length)
        {
            index.Add(tokens);
        }

        return index;
    }

    private static bool Occurs(ReadOnlySpan<int> tokens, int length) =>
        tokens.Length > length && tokens[..^1].IndexOf(tokens[^length..]) >= 0;
}
