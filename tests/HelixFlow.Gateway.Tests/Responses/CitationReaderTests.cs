using HelixFlow.Gateway.Responses.Search;

namespace HelixFlow.Gateway.Tests.Responses;

/// <summary>The marks by which a model cites.</summary>
public sealed class CitationReaderTests
{
    [Theory]
    [InlineData("a【1】b", "ab", "1:1")]
    [InlineData("a 【1】.", "a.", "1:1")]
    [InlineData("a  【1】【3】 b", "a  b", "2:1 2:3")]
    [InlineData("a【1, 2,3】", "a", "1:1 1:2 1:3")]
    [InlineData("a【4】b", "a【4】b", "")]
    [InlineData("a【0】", "a【0】", "")]
    [InlineData("a【】 b【x】", "a【】 b【x】", "")]
    [InlineData("】 【1", "】 【1", "")]
    [InlineData(" 】a ", " 】a ", "")]
    [InlineData("【1†source】 【2】", "【1†source】", "10:2")]
    [InlineData("【11111111111111111111111111】", "【11111111111111111111111111】", "")]
    [InlineData("", "", "")]
    public void Marks_are_taken_out_however_the_text_is_cut(string text, string expected, string citations)
    {
        var random = new Random(7);
        for (int round = 0; round < 200; round++)
        {
            (string read, string cited) = Read(text, sources: 3, random);

            Assert.Equal((expected, citations), (read, cited));
        }
    }

    [Fact]
    public void Text_without_valid_marks_stays_what_it_is()
    {
        const string Alphabet = "【】 12,ab†\n";
        var random = new Random(11);
        for (int round = 0; round < 3000; round++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(20)).Select(_ => Alphabet[random.Next(Alphabet.Length)]));

            (string read, string cited) = Read(text, sources: 0, random);

            Assert.Equal((text, ""), (read, cited));
        }
    }

    private static (string Text, string Citations) Read(string text, int sources, Random random)
    {
        var reader = new CitationReader();
        var pieces = new List<CitedPiece>();
        for (int i = 0; i < text.Length;)
        {
            int length = Math.Min(1 + random.Next(4), text.Length - i);
            reader.Add(text.Substring(i, length), sources, pieces);
            i += length;
        }

        pieces.Add(new CitedPiece(reader.Rest(), []));
        string read = "";
        var cited = new List<string>();
        foreach (CitedPiece piece in pieces)
        {
            read += piece.Text;
            cited.AddRange(piece.Sources.Select(number => $"{read.Length}:{number}"));
        }

        return (read, string.Join(' ', cited));
    }
}
