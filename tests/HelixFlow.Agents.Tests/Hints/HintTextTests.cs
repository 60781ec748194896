using System.Text;
using HelixFlow.Agents.Hints;

namespace HelixFlow.Agents.Tests.Hints;

public sealed class HintTextTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Hints_are_read_as_they_were_written_in_messages_that_are_no_longer_than_they_may_be(int seed)
    {
        var random = new Random(seed);
        for (int round = 0; round < 300; round++)
        {
            JournalHint[] hints = [.. Enumerable.Range(0, random.Next(50)).Select(_ => new JournalHint((JournalHintKind)random.Next(3), Word(random)))];
            int most = random.Next(100, 2_000);

            string[] messages = [.. HintText.Write("me", hints, most)];

            Assert.Equal(hints, messages.SelectMany(static message => HintText.Read(message, "you")));
            Assert.All(messages, message => Assert.Empty(HintText.Read(message, "me")));
            Assert.All(messages, message => Assert.InRange(Encoding.UTF8.GetByteCount(message), 1, most));
        }
    }

    [Fact]
    public void A_hint_longer_than_a_message_has_one_of_its_own()
    {
        JournalHint[] hints = [new(JournalHintKind.Ready, "a"), new(JournalHintKind.Changed, new string('b', 50)), new(JournalHintKind.Cancelling, "c")];

        Assert.Equal(["me\nra", "me\nc" + hints[1].Text, "me\nxc"], HintText.Write("me", hints, 20));
    }

    [Theory]
    [InlineData("")]
    [InlineData("you")]
    [InlineData("you\n")]
    [InlineData("you\n\n\n")]
    [InlineData("you\nq\nZjob")]
    public void Lines_that_are_no_hints_are_left_out(string message) => Assert.Empty(HintText.Read(message, "me"));

    [Fact]
    public void Whatever_it_is_given_it_reads_hints_of_the_three_kinds_or_none()
    {
        var random = new Random(7);
        for (int round = 0; round < 20_000; round++)
        {
            byte[] bytes = new byte[random.Next(60)];
            random.NextBytes(bytes);
            for (int i = 0; i < bytes.Length; i += random.Next(1, 9))
            {
                bytes[i] = "\nrcx"u8[random.Next(4)];
            }

            Assert.All(HintText.Read(Encoding.UTF8.GetString(bytes), "me"), static hint =>
            {
                Assert.True(Enum.IsDefined(hint.Kind));
                Assert.DoesNotContain('\n', hint.Text);
            });
        }
    }

    private static string Word(Random random) => new([.. Enumerable.Range(0, random.Next(30)).Select(_ => "aä-7/日"[random.Next(6)])]);
}
