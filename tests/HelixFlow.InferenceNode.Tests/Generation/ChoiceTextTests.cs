using System.Text;
using HelixFlow.Engine.Tokenization;
using HelixFlow.InferenceNode.Answers;
using HelixFlow.InferenceNode.Generation;
using HelixFlow.InferenceNode.Tests.Answers;

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

    [Fact]
    public void An_answer_with_reasoning_and_calls_goes_on_after_any_cut()
    {
        int[] tokens = Tokenizer.Encode(
            "<think>\nRome?</think>\n\nI look. <tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"x}\"}}\n</tool_call>\n<tool_call>{\"name\":\"empty\"}</tool_call> <tool",
            addSpecial: false,
            parseSpecial: false);
        string whole = string.Concat(Pieces(Reading(), tokens, flush: true));
        Assert.Equal("(Rome?)I look. f:{\"a\": \"x}\"}empty:{} <tool", whole);

        for (int cut = 0; cut <= tokens.Length; cut++)
        {
            string before = string.Concat(Pieces(Reading(), tokens.AsSpan(0, cut), flush: false));
            ChoiceText second = Reading();
            second.Prime(tokens.AsSpan(0, cut));

            Assert.Equal(whole, (before + string.Concat(Pieces(second, tokens.AsSpan(cut), flush: true))).Replace(")(", "", StringComparison.Ordinal));
        }

        static ChoiceText Reading() => new(0, Tokenizer, [], withTokens: false, answer: new AnswerReader(
            new ReasoningStyle("<think>", "</think>"), false, output => new ToolCallFormat(ToolCallFamily.Hermes, true).CreateParser(ReadAnswer.Tools, output)));
    }

    [Fact]
    public void Special_tokens_that_a_parser_needs_are_text_and_others_are_not()
    {
        int[] special = [.. Enumerable.Range(0, Tokenizer.VocabularySize).Where(Tokenizer.IsSpecial)];
        Assert.True(special.Length >= 2);

        string shown = Feed(new ChoiceText(0, Tokenizer, [], withTokens: false, shown: new HashSet<int> { special[1] }), [special[0], special[1], .. BytesOf("a")]);

        Assert.Equal(Tokenizer.TokenText(special[1]) + "a", shown);
    }

    [Fact]
    public void A_stop_text_ends_what_the_parser_holds_back()
    {
        var choice = new ChoiceText(0, Tokenizer, ["!"], withTokens: false, answer: ReadAnswer.Reader(ToolCallFamily.Hermes));

        string text = Feed(choice, BytesOf("a <tool!"));

        Assert.Equal(("a ", true), (text, choice.Stopped));
        Assert.Equal("<tool", choice.Flush()?.Text);
    }

    private static List<string> Pieces(ChoiceText choice, ReadOnlySpan<int> tokens, bool flush)
    {
        var pieces = new List<string>();
        foreach (int token in tokens)
        {
            Add(choice.Append(token, float.NaN, []));
        }

        if (flush)
        {
            Add(choice.Flush());
        }

        return [string.Concat(pieces).Replace(")(", "", StringComparison.Ordinal)];

        void Add(Schemas.Inference.V1.TokenChunk? chunk)
        {
            if (chunk is not null)
            {
                pieces.Add(chunk.Reasoning.Length > 0 ? $"({chunk.Reasoning})" : "");
                pieces.Add(chunk.Text);
                pieces.AddRange(chunk.ToolCalls.Select(call => (call.Name.Length > 0 ? call.Name + ":" : "") + call.Arguments));
            }
        }
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
