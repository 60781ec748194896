using HelixFlow.Agents.Texts;

namespace HelixFlow.Agents.Tests.Texts;

public sealed class SentencesTests
{
    [Theory]
    [InlineData("One. Two! Three? Four", "One.|Two!|Three?|Four")]
    [InlineData("# Head\n\n- item one\n- item two", "# Head|- item one|- item two")]
    [InlineData("He said \"go.\" Then he went (at last.) Now.", "He said \"go.\"|Then he went (at last.)|Now.")]
    [InlineData("See e.g. this one, approx. 3.5 metres.", "See e.g. this one, approx.|3.5 metres.")]
    [InlineData("東京は首都です。人口は多い。", "東京は首都です。|人口は多い。")]
    [InlineData(" \n --- \n ... ", "")]
    public void A_text_has_these_sentences(string text, string sentences) =>
        Assert.Equal(sentences, string.Join('|', Sentences.Of(text).Select(span => text[span.Start..span.End])));

    [Fact]
    public void Any_text_falls_into_short_sentences_that_keep_all_its_letters()
    {
        var random = new Random(31);
        string[] pieces = ["word ", "End. ", "\n", "。", "?", "\ud83d\ude00", "\ud83d", "x", new string('y', 500), " ", "\t", "1", "(", ")"];
        for (int round = 0; round < 3000; round++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(0, 60)).Select(_ => pieces[random.Next(pieces.Length)]));
            int at = 0;
            foreach (TextSpan span in Sentences.Of(text))
            {
                Assert.True(span.Start >= at && span.End > span.Start && span.End - span.Start <= 400);
                Assert.False(char.IsWhiteSpace(text[span.Start]) || char.IsWhiteSpace(text[span.End - 1]));
                Assert.DoesNotContain(text[at..span.Start], char.IsLetterOrDigit);
                at = span.End;
            }

            Assert.DoesNotContain(text[at..], char.IsLetterOrDigit);
        }
    }
}
