using HelixFlow.InferenceNode.Answers;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Tests.Answers;

public sealed class ReasoningTests
{
    private static readonly ReasoningStyle Think = new("<think>", "</think>");

    [Theory]
    [InlineData(false, "<think>\nOne.\n\nTwo.\n</think>\n\nFour", "One.\n\nTwo.", "Four")]
    [InlineData(true, "One.\n</think>Four", "One.", "Four")]
    [InlineData(false, "<think>\n\n</think>\n\nFour", "", "Four")]
    [InlineData(false, "Four <think>no</think>", "", "Four <think>no</think>")]
    [InlineData(false, " \n<thin", "", " \n<thin")]
    [InlineData(false, "<think>cut off </thi", "cut off </thi", "")]
    [InlineData(true, "a < b </think> c </think>", "a < b", "c </think>")]
    [InlineData(false, "", "", "")]
    public void Reasoning_is_split_off_whatever_the_cut(bool isOpen, string text, string reasoning, string content)
    {
        var random = new Random(17);
        for (int round = 0; round < 30; round++)
        {
            ReadAnswer answer = ReadAnswer.Of(new AnswerReader(Think, isOpen, null), round == 0 ? [text] : ReadAnswer.Cut(text, random));

            Assert.Equal((reasoning, content), (answer.Reasoning, answer.Content));
        }
    }

    [Fact]
    public void Calls_follow_reasoning_and_are_none_inside_it()
    {
        const string call = """<tool_call>{"name":"f","arguments":{}}</tool_call>""";
        var reader = new AnswerReader(Think, false, output => new ToolCallFormat(ToolCallFamily.Hermes, true).CreateParser(ReadAnswer.Tools, output));

        ReadAnswer answer = ReadAnswer.Of(reader, [$"<think>I could {call}</think>{call}"]);

        Assert.Equal($"I could {call}", answer.Reasoning);
        Assert.Equal(["f({})"], answer.Calls);
        Assert.Equal("", answer.Content);
    }

    [Fact]
    public void Tokens_of_reasoning_are_counted_with_their_markers()
    {
        var reader = new AnswerReader(Think, false, null);

        foreach (string token in (string[])["<think>", "\n", "a", " b", "</think>", "c", "d"])
        {
            reader.Append(token);
            reader.TakeInto(new TokenChunk());
        }

        Assert.Equal(5, reader.ReasoningTokens);
    }

    [Fact]
    public void A_prompt_may_end_inside_the_reasoning()
    {
        Assert.True(Think.IsOpenAtEnd("<|im_start|>assistant\n<think>\n"));
        Assert.False(Think.IsOpenAtEnd("<|im_start|>assistant\n<think>\n\n</think>\n\n"));
        Assert.Null(ReasoningStyle.Of("{{ messages }}"));
        Assert.Equal("[THINK]", ReasoningStyle.Of("[THINK]{{ x }}[/THINK]")!.Open);
    }
}
