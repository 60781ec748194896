using HelixFlow.Agents.Texts;

namespace HelixFlow.Agents.Tests.Texts;

public sealed class WordsTests
{
    [Theory]
    [InlineData("The quick, brown Fox: 2 times!", "the quick brown fox 2 times")]
    [InlineData("don't over-do C3PO", "don t over do c3po")]
    [InlineData("ÄRGER Straße ПРИВЕТ", "ärger straße привет")]
    [InlineData("東京都は a 中 b", "東京 京都 都は a 中 b")]
    [InlineData("x東京", "x 東京")]
    [InlineData("हिन्दी भाषा", "हिन्दी भाषा")]
    [InlineData(" \t.,;", "")]
    public void A_text_has_these_words(string text, string words) => Assert.Equal(words, string.Join(' ', Words.Of(text)));

    [Fact]
    public void Any_text_has_words_that_are_their_own_words()
    {
        var random = new Random(3);
        string[] pieces = ["a", "B", "9", " ", ".", "東", "京", "é", "e\u0301", "\ud83d\ude00", "\ud83d", "\u0001", "한국", "\""];
        for (int round = 0; round < 5000; round++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(0, 40)).Select(_ => pieces[random.Next(pieces.Length)]));
            foreach (string word in Words.Of(text))
            {
                Assert.Equal(word, Assert.Single(Words.Of(word)));
                Assert.DoesNotContain('"', word);
            }
        }
    }
}
