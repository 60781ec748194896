using System.Text;
using HelixFlow.Engine.Tokenization;
using HelixFlow.InferenceNode.Generation;

namespace HelixFlow.InferenceNode.Tests.Generation;

public sealed class ChoiceTextTests
{
    private static readonly Tokenizer Tokenizer = Tokenizer.FromHuggingFace(NodeTests.FindModel());

    [Fact]
    public void Text_before_and_after_any_cut_is_the_uncut_text()
    {
        var random = new Random(5);
        int heldOverCuts = 0;
        for (int round = 0; round < 150; round++)
        {
            int[] tokens = RandomTokens(random);
            string[] stops = RandomStops(random, tokens);
            (string whole, bool stopped) = Run(new ChoiceText(0, Tokenizer, stops, withTokens: false), tokens);
            for (int cut = 0; cut <= tokens.Length; cut++)
            {
                var first = new ChoiceText(0, Tokenizer, stops, withTokens: false);
                string before = Feed(first, tokens.AsSpan(0, cut));
                if (first.Stopped)
                {
                    break; // a choice that had ended is not resumed
                }

                var second = new ChoiceText(0, Tokenizer, stops, withTokens: false);
                second.Prime(tokens.AsSpan(0, cut));
                (string after, bool stoppedAfter) = Run(second, tokens.AsSpan(cut));

                Assert.Equal(whole, before + after);
                Assert.Equal(stopped, stoppedAfter);
                heldOverCuts += before.Length < Tokenizer.Decode(tokens.AsSpan(0, cut), skipSpecial: true).Length ? 1 : 0;
            }
        }

        Assert.True(heldOverCuts > 300, $"only {heldOverCuts} cuts had text held back");
    }

    [Fact]
    public void A_character_whose_bytes_come_from_two_nodes_is_whole()
    {
        int[] tokens = BytesOf("🦊é");
        Assert.Equal(6, tokens.Length);
        var first = new ChoiceText(0, Tokenizer, [], withTokens: false);
        Assert.Equal("", Feed(first, tokens.AsSpan(0, 3)));

        var second = new ChoiceText(0, Tokenizer, [], withTokens: false);
        second.Prime(tokens.AsSpan(0, 3));

        Assert.Equal("🦊é", Run(second, tokens.AsSpan(3)).Text);
    }

    [Fact]
    public void A_stop_text_that_was_found_before_the_cut_is_known_after_it()
    {
        var choice = new ChoiceText(0, Tokenizer, ["b"], withTokens: false);

        choice.Prime(BytesOf("abc"));

        Assert.True(choice.Stopped);
        Assert.Null(choice.Flush());
    }

    private static (string Text, bool Stopped) Run(ChoiceText choice, ReadOnlySpan<int> tokens)
    {
        string text = Feed(choice, tokens);
        return (text + choice.Flush()?.Text, choice.Stopped);
    }

    private static string Feed(ChoiceText choice, ReadOnlySpan<int> tokens)
    {
        var text = new StringBuilder();
        foreach (int token in tokens)
        {
            if (!choice.Stopped)
            {
                text.Append(choice.Append(token, float.NaN, [])?.Text);
            }
        }

        return text.ToString();
    }

    /// <summary>Words, single bytes of multi-byte characters (cut off at times), and anything at all.</summary>
    private static int[] RandomTokens(Random random)
    {
        var tokens = new List<int>();
        while (tokens.Count < 12)
        {
            int[] next = random.Next(4) switch
            {
                0 => BytesOf("🦊"),
                1 => BytesOf("né"),
                2 => Tokenizer.Encode(" the fox said", addSpecial: false, parseSpecial: false),
                _ => [random.Next(Tokenizer.VocabularySize)],
            };
            tokens.AddRange(random.Next(3) == 0 ? next[..random.Next(next.Length)] : next);
        }

        return [.. tokens];
    }

    /// <summary>Pieces of the text, so that they occur, and pieces with a wrong end, so that they almost do.</summary>
    private static string[] RandomStops(Random random, int[] tokens)
    {
        string text = Tokenizer.Decode(tokens, skipSpecial: true);
        return [.. Enumerable.Range(0, random.Next(3)).Select(_ =>
        {
            int at = random.Next(text.Length);
            string piece = text.Substring(at, Math.Min(text.Length - at, random.Next(1, 8)));
            return random.Next(4) == 0 ? piece : $"{piece}#";
        })];
    }

    /// <summary>One token per byte of UTF-8.</summary>
    private static int[] BytesOf(string text) => [.. Encoding.UTF8.GetBytes(text).Select(value => ByteTokens[value])];

    private static readonly Dictionary<byte, int> ByteTokens = Enumerable.Range(0, Tokenizer.VocabularySize)
        .Where(id => !Tokenizer.IsSpecial(id) && Tokenizer.TokenBytes(id).Length == 1)
        .DistinctBy(id => Tokenizer.TokenBytes(id)[0])
        .ToDictionary(id => Tokenizer.TokenBytes(id)[0]);
}
