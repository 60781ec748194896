using System.Text;
using HelixFlow.Gateway.VectorStores;

namespace HelixFlow.Gateway.Tests.VectorStores;

public sealed class TextChunkTests
{
    private const string Letters = "ab .\n!?ü猫,;";

    [Fact]
    public void Pieces_are_the_text_and_chunks_cover_it_within_their_limits()
    {
        var random = new Random(3);
        for (int round = 0; round < 500; round++)
        {
            string text = Text(random, random.Next(1, 3000));
            List<(int Start, int Length)> cut = TextChunks.Cut(text);
            Assert.Equal(text, string.Concat(cut.Select(piece => text.Substring(piece.Start, piece.Length))));
            Assert.All(cut, piece =>
            {
                Assert.InRange(piece.Length, 1, 100);
                Assert.False(char.IsLowSurrogate(text[piece.Start]), "a character is cut in two");
            });

            TextChunks.Piece[] pieces = [.. cut.Select(piece => new TextChunks.Piece(piece.Start, piece.Length, random.Next(0, 30)))];
            int max = random.Next(30, 200);
            int overlap = random.Next(0, (max / 2) + 1);
            List<(int Start, int Length)> chunks = TextChunks.Gather(pieces, new ChunkingStrategy(max, overlap));

            int end = 0;
            foreach ((int start, int length) in chunks)
            {
                Assert.InRange(start, 0, end);
                Assert.True(start + length > end, "a chunk brings nothing new");
                Assert.True(Tokens(pieces, start, start + length) <= max, "a chunk is too long");
                Assert.True(Tokens(pieces, start, end) <= overlap, "chunks overlap too far");
                end = start + length;
            }

            Assert.Equal(text.Length, end);
        }
    }

    [Fact]
    public void Html_is_read_without_its_tags()
    {
        const string Page = """
            <!DOCTYPE html><html><head><title>T &amp; U</title><style>p { color: red }</style><script>if (a < b) alert("</p>");</script></head>
            <body><!-- <p>no</p> --><p class="a>b">One <b>two</b> &lt;three&gt;</p><ul><li>four<li>five</ul>6 < 7</body></html>
            """;

        string text = ExtractedText.Of("page.HTML", Encoding.UTF8.GetBytes(Page));

        Assert.Equal(["T & U", "One two <three>", "four", "five", "6 < 7"], text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void Any_html_is_read_without_failing()
    {
        var random = new Random(5);
        string[] parts = ["<", ">", "</", "<!--", "-->", "<script", "</script>", "<p a=\"", "\"", "'", "=", " ", "x", "&amp;", "&", "<style>", "<br/>", "<?"];
        for (int round = 0; round < 20_000; round++)
        {
            string html = string.Concat(Enumerable.Range(0, random.Next(20)).Select(_ => parts[random.Next(parts.Length)]));

            Assert.True(ExtractedText.WithoutTags(html).Length <= (2 * html.Length) + 1);
        }
    }

    [Theory]
    [InlineData("utf-8", true)]
    [InlineData("utf-8", false)]
    [InlineData("utf-16", true)]
    [InlineData("utf-16BE", true)]
    public void Text_is_decoded_by_its_mark(string name, bool withMark)
    {
        var encoding = Encoding.GetEncoding(name);
        byte[] bytes = [.. withMark ? encoding.GetPreamble() : [], .. encoding.GetBytes("Grüße 猫")];

        Assert.Equal("Grüße 猫", ExtractedText.Of("a.txt", bytes));
    }

    [Fact]
    public void What_is_neither_utf8_nor_utf16_is_refused()
    {
        Assert.Equal("invalid_file", Assert.Throws<IngestionException>(() => ExtractedText.Of("a.txt", [0x80, 0x81])).Code);
        Assert.Equal("invalid_file", Assert.Throws<IngestionException>(() => ExtractedText.Of("a.txt", [0xFF, 0xFE, 0x00, 0xD8])).Code);
    }

    private static int Tokens(TextChunks.Piece[] pieces, int start, int end) => pieces.Where(piece => piece.Start >= start && piece.Start < end).Sum(static piece => piece.Tokens);

    private static string Text(Random random, int length)
    {
        var text = new StringBuilder();
        while (text.Length < length)
        {
            text.Append(random.Next(8) == 0 ? "😀" : Letters[random.Next(Letters.Length)].ToString());
        }

        return text.ToString();
    }
}
