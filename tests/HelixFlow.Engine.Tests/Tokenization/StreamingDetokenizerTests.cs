using System.Text;
using System.Text.Json.Nodes;
using HelixFlow.Engine.Tokenization;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.Engine.Tests.Tokenization;

public sealed class StreamingDetokenizerTests
{
    [Fact]
    public void Random_ids_stream_to_the_bytes_that_the_tokens_stand_for()
    {
        var tokenizer = Load(SmallTokenizers.ByteLevelBpe(SmallTokenizers.Split(SmallTokenizers.Llama3)));
        var random = new Random(3);
        for (var round = 0; round < 2000; round++)
        {
            var ids = Ids(tokenizer, random);

            var (text, parts) = Stream(tokenizer, ids, skipSpecial: false);

            var bytes = ids.SelectMany(id => tokenizer.TokenBytes(id).ToArray()).ToArray();
            Assert.Equal(Encoding.UTF8.GetString(bytes), text);
            Assert.Equal(text, tokenizer.Decode(ids, skipSpecial: false));
            Assert.All(parts, part => Assert.DoesNotContain(part, c => char.IsSurrogate(c) && !IsPaired(part, c)));
        }
    }

    [Theory]
    [InlineData("sentencepiece")]
    [InlineData("unigram")]
    [InlineData("wordpiece")]
    public void Streamed_text_is_the_whole_text(string kind)
    {
        var tokenizer = Load(kind switch
        {
            "sentencepiece" => SmallTokenizers.SentencePieceBpe(null, null, JsonNode.Parse(
                """{"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}""")!),
            "unigram" => SmallTokenizers.Unigram(null, JsonNode.Parse("""{"type": "Metaspace"}""")!, JsonNode.Parse("""{"type": "Metaspace"}""")!, byteFallback: false),
            _ => SmallTokenizers.WordPiece(JsonNode.Parse("""{"type": "BertNormalizer"}""")!),
        });
        var random = new Random(4);
        for (var round = 0; round < 1000; round++)
        {
            var ids = Ids(tokenizer, random);
            foreach (var skip in new[] { false, true })
            {
                Assert.Equal(tokenizer.Decode(ids, skip), Stream(tokenizer, ids, skip).Text);
            }
        }
    }

    [Fact]
    public void A_split_emoji_comes_out_once_and_whole()
    {
        var tokenizer = Load(SmallTokenizers.ByteLevelBpe(JsonNode.Parse("""{"type": "ByteLevel", "add_prefix_space": false}""")!));
        var alphabet = SmallTokenizers.ByteAlphabet();
        var detokenizer = tokenizer.CreateDetokenizer();
        var ids = Encoding.UTF8.GetBytes("🦊").Select(value => tokenizer.FindToken(alphabet[value].ToString())!.Value).ToArray();

        var parts = ids.Select(id => detokenizer.Append(id).ToString()).ToArray();

        Assert.Equal(["", "", "", "🦊"], parts);
        Assert.Equal("", detokenizer.Flush().ToString());
    }

    [Fact]
    public void An_unfinished_character_becomes_a_replacement_character_at_the_end()
    {
        var tokenizer = Load(SmallTokenizers.ByteLevelBpe(JsonNode.Parse("""{"type": "ByteLevel", "add_prefix_space": false}""")!));
        var detokenizer = tokenizer.CreateDetokenizer();

        Assert.Equal("", detokenizer.Append(tokenizer.FindToken("ð")!.Value).ToString());
        Assert.Equal("\uFFFD", detokenizer.Flush().ToString());
    }

    [Fact]
    public void A_continued_text_keeps_its_leading_space()
    {
        var tokenizer = Load(SmallTokenizers.Unigram(null, JsonNode.Parse("""{"type": "Metaspace"}""")!, JsonNode.Parse("""{"type": "Metaspace"}""")!, byteFallback: false));
        var mark = tokenizer.FindToken("▁")!.Value;

        Assert.Equal("", tokenizer.CreateDetokenizer().Append(mark).ToString());
        Assert.Equal(" ", tokenizer.CreateDetokenizer(continuesText: true).Append(mark).ToString());
    }

    internal static Tokenizer Load(JsonNode document)
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder["tokenizer.json"], document.ToJsonString());
        return Tokenizer.FromHuggingFace(folder.FullPath);
    }

    private static int[] Ids(Tokenizer tokenizer, Random random) =>
        [.. Enumerable.Range(0, random.Next(1, 30)).Select(_ => random.Next(3) > 0 ? random.Next(300) : random.Next(-2, tokenizer.VocabularySize + 3))];

    private static (string Text, List<string> Parts) Stream(Tokenizer tokenizer, int[] ids, bool skipSpecial)
    {
        var detokenizer = tokenizer.CreateDetokenizer(skipSpecial);
        var parts = new List<string>();
        foreach (var id in ids)
        {
            parts.Add(detokenizer.Append(id).ToString());
        }

        parts.Add(detokenizer.Flush().ToString());
        return (string.Concat(parts), parts);
    }

    private static bool IsPaired(string part, char c)
    {
        var at = part.IndexOf(c, StringComparison.Ordinal);
        return char.IsHighSurrogate(c) ? at + 1 < part.Length && char.IsLowSurrogate(part[at + 1]) : at > 0 && char.IsHighSurrogate(part[at - 1]);
    }
}
