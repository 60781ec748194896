using System.Text.Json;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>Reads the vocab.txt of BERT's first models, a token a line, as the tokenizer.json that says the same.</summary>
/// <remarks>What is beside it in tokenizer_config.json: do_lower_case, strip_accents, tokenize_chinese_chars; with BertTokenizer's defaults.</remarks>
internal static class BertVocabularyFile
{
    private const long MaxSizeBytes = 64 << 20;
    private const string Unknown = "[UNK]";

    private static readonly string[] SpecialTexts = ["[PAD]", Unknown, "[CLS]", "[SEP]", "[MASK]"];

    public static JsonFile Open(string path)
    {
        if (new FileInfo(path).Length is var length and > MaxSizeBytes)
        {
            throw new ModelFormatException(path, null, $"is {length} bytes; a vocabulary has at most {MaxSizeBytes}");
        }

        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        int line = 0;
        foreach (string text in File.ReadAllText(path).Split('\n'))
        {
            ids[text.TrimEnd('\r')] = line++; // of the same token twice, the last line counts
        }

        ids.Remove(""); // after the last line's end
        foreach (string needed in (string[])[Unknown, "[CLS]", "[SEP]"])
        {
            if (!ids.ContainsKey(needed))
            {
                throw new ModelFormatException(path, null, $"has no line \"{needed}\"");
            }
        }

        using JsonFile? config = JsonFile.OpenIfPresent(Path.Combine(Path.GetDirectoryName(path)!, "tokenizer_config.json"));
        return JsonFile.Parse(path, JsonSerializer.SerializeToUtf8Bytes(new
        {
            added_tokens = SpecialTexts.Where(ids.ContainsKey).Select(text => new { id = ids[text], content = text, special = true, normalized = false }),
            normalizer = new
            {
                type = "BertNormalizer",
                clean_text = true,
                handle_chinese_chars = config?.Root.FindBoolean("tokenize_chinese_chars", true) ?? true,
                strip_accents = config?.Root.Find("strip_accents")?.AsBoolean(),
                lowercase = config?.Root.FindBoolean("do_lower_case", true) ?? true,
            },
            pre_tokenizer = new { type = "BertPreTokenizer" },
            post_processor = new { type = "BertProcessing", sep = new object[] { "[SEP]", ids["[SEP]"] }, cls = new object[] { "[CLS]", ids["[CLS]"] } },
            decoder = new { type = "WordPiece", prefix = "##", cleanup = true },
            model = new { type = "WordPiece", unk_token = Unknown, continuing_subword_prefix = "##", max_input_chars_per_word = 100, vocab = ids },
        }));
    }
}
