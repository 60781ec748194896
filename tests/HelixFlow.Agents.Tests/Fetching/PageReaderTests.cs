using System.Text;
using HelixFlow.Agents.Fetching;

namespace HelixFlow.Agents.Tests.Fetching;

public sealed class PageReaderTests
{
    private static readonly DateTimeOffset _now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    [Fact]
    public void A_page_without_needless_tags_is_read()
    {
        WebPage page = Read("<!doctype html><title>Foxes &amp;\n dogs</title><meta charset=utf-8><script>x</script><h1>Foxes</h1><p>They   run.<br>Fast", "text/html");

        Assert.Equal(("Foxes & dogs", "Foxes\nThey run.\nFast"), (page.Title, page.Text));
        Assert.Equal(PageReader.HashOf(page.Text), page.Sha256);
        Assert.Equal(64, page.Sha256.Length);
    }

    [Theory]
    [InlineData("grüße", "utf-8", null)]
    [InlineData("grüße", "windows-1252", "iso-8859-1")]
    [InlineData("grüße", "windows-1252", null)]
    [InlineData("привет", "koi8-r", "koi8-r")]
    [InlineData("привет", "windows-1251", "\"windows-1251\"")]
    [InlineData("こんにちは", "shift_jis", "Shift_JIS")]
    [InlineData("你好", "gb18030", "gb2312")]
    [InlineData("grüße", "utf-8", "no-such-encoding")]
    [InlineData("grüße", "utf-8", "utf-7")]
    public void Text_is_read_in_its_encoding(string text, string encoding, string? charset)
    {
        Encoding written = encoding == "utf-8" ? Encoding.UTF8 : CodePagesEncodingProvider.Instance.GetEncoding(encoding)!;

        Assert.Equal(text, TextDecoding.Page(written.GetBytes(text), charset));
    }

    [Theory]
    [InlineData("<meta charset=\"windows-1251\">", "windows-1251")]
    [InlineData("<META http-equiv=Content-Type content='text/html; charset=koi8-r'>", "koi8-r")]
    [InlineData("<?xml version=\"1.0\" encoding=\"windows-1251\"?>", "windows-1251")]
    public void A_page_says_itself_in_which_encoding_it_is(string declaration, string encoding)
    {
        string text = declaration + "привет";

        Assert.Equal(text, TextDecoding.Page(CodePagesEncodingProvider.Instance.GetEncoding(encoding)!.GetBytes(text), null));
    }

    [Fact]
    public void A_byte_order_mark_says_more_than_the_header()
    {
        Assert.Equal("ä", TextDecoding.Page([0xEF, 0xBB, 0xBF, 0xC3, 0xA4], "windows-1252"));
        Assert.Equal("ä", TextDecoding.Page([0xFF, 0xFE, 0xE4, 0x00], "utf-8"));
        Assert.Equal("ä", TextDecoding.Page([0xFE, 0xFF, 0x00, 0xE4], null));
        Assert.Equal("<meta charset=utf-16>x", TextDecoding.Page("<meta charset=utf-16>x"u8, null)); // it cannot be that
    }

    [Fact]
    public void What_is_no_text_is_refused()
    {
        Assert.Equal(FetchFailure.ContentType, Assert.Throws<FetchException>(() => PageReader.Check(new("image/png"))).Failure);
        Assert.Equal(FetchFailure.ContentType, Assert.Throws<FetchException>(() => PageReader.Read("u", "\x7fELF\0\0"u8, null, null, _now)).Failure);
        Assert.Equal(FetchFailure.Empty, Assert.Throws<FetchException>(() => Read("<html><script>all()</script></html>", "text/html")).Failure);
        PageReader.Check(null);
        PageReader.Check(new("application/ld+json"));
    }

    [Fact]
    public void Content_without_a_type_is_judged_by_its_beginning()
    {
        Assert.Equal("text/html", PageReader.Read("u", "\n<!DOCTYPE html>a"u8, null, null, _now).ContentType);
        Assert.Equal("text/plain", PageReader.Read("u", "a <html>"u8, null, null, _now).ContentType);
    }

    [Fact]
    public void Pages_of_any_bytes_become_text_without_control_characters()
    {
        var random = new Random(9);
        byte[][] pieces = [.. ((string[])["<p>", "<title>", "</title>", "<script>", "<!--", "-->", "&#0;", "&#xD800;", "&amp;", "\r\n", "x", "<svg>", "<meta charset=", "utf-16", "gbk", ">", "\""])
            .Select(Encoding.UTF8.GetBytes), [0xFF], [0x00], [0xC3], [0xFE, 0xFF]];
        string?[] charsets = [null, "utf-8", "shift_jis", "utf-16", "x"];
        for (int round = 0; round < 5000; round++)
        {
            byte[] bytes = [.. Enumerable.Range(0, random.Next(0, 60)).SelectMany(_ => pieces[random.Next(pieces.Length)])];
            try
            {
                WebPage page = PageReader.Read("u", bytes, "text/html", charsets[random.Next(charsets.Length)], _now);
                Assert.All(page.Text.EnumerateRunes(), static rune => Assert.True(!Rune.IsControl(rune) || rune.Value is '\n' or '\t'));
                Assert.Equal(page.Text, Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(page.Text)));
                Assert.Equal(page.Sha256, PageReader.HashOf(page.Text));
            }
            catch (FetchException exception)
            {
                Assert.Equal(FetchFailure.Empty, exception.Failure);
            }
        }
    }

    [Theory]
    [InlineData("<")]
    [InlineData("<a ")]
    [InlineData("<a \"")]
    [InlineData("&")]
    [InlineData("&amp")]
    [InlineData("<!--")]
    [InlineData("<!-- -->")]
    [InlineData("<script>")]
    [InlineData("<script></script>")]
    [InlineData("<title>")]
    [InlineData("<div><p>")]
    [InlineData("<meta charset=")]
    public void A_hostile_page_of_full_size_is_read(string piece)
    {
        string page = "x " + string.Concat(Enumerable.Repeat(piece, (4 << 20) / piece.Length));

        Assert.StartsWith("x", Read(page, "text/html").Text, StringComparison.Ordinal);
        Assert.StartsWith("x", Read(page, "text/plain").Text, StringComparison.Ordinal);
    }

    private static WebPage Read(string text, string type) => PageReader.Read("http://a/", Encoding.UTF8.GetBytes(text), type, null, _now);
}
