using System.Text;
using HelixFlow.Engine.Tokenization.Normalizers;
using HelixFlow.Engine.Tokenization.PreTokenizers;

namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>Reads the <c>normalizer</c> section of tokenizer.json.</summary>
internal static class NormalizerReader
{
    private static readonly Components<Normalizer> Components = new("normalizer", new()
    {
        ["NFC"] = _ => UnicodeForm.C,
        ["NFD"] = _ => UnicodeForm.D,
        ["NFKC"] = _ => UnicodeForm.KC,
        ["NFKD"] = _ => UnicodeForm.KD,
        ["Lowercase"] = _ => BertNormalization.Lowercase,
        ["Strip"] = ReadStrip,
        ["StripAccents"] = _ => BertNormalization.StripMarks,
        ["Replace"] = field => new ReplaceNormalizer(PatternReader.Read(field.Require("pattern")), field.Require("content").AsString()),
        ["Prepend"] = ReadPrepend,
        ["BertNormalizer"] = ReadBert,
        ["Precompiled"] = ReadPrecompiled,
        ["ByteLevel"] = _ => new FunctionNormalizer(static text => ByteLevelSplit.Write(text)),
        ["Nmt"] = _ => MakeNmt(),
        ["Sequence"] = field => new SequenceNormalizer([.. field.Require("normalizers").Items().Select(Read)]),
    });

    public static Normalizer Read(JsonField field) => Components.Read(field);

    // Marian's clean-up: control characters go, all kinds of space and invisible joiners become a space.
    private static CharacterNormalizer MakeNmt() => new(static rune => rune.Value switch
    {
        (>= 0x01 and <= 0x08) or 0x0B or (>= 0x0E and <= 0x1F) or 0x7F or 0x8F or 0x9F => null,
        0x09 or 0x0A or 0x0C or 0x0D or 0x1680 or (>= 0x200B and <= 0x200F) or 0x2028 or 0x2029 or 0x2581 or 0xFEFF or 0xFFFD => new Rune(' '),
        _ => rune,
    });

    private static FunctionNormalizer ReadStrip(JsonField field)
    {
        var left = field.FindBoolean("strip_left", true);
        var right = field.FindBoolean("strip_right", true);
        return new FunctionNormalizer(text =>
        {
            text = left ? text.TrimStart() : text;
            return right ? text.TrimEnd() : text;
        });
    }

    private static FunctionNormalizer ReadPrepend(JsonField field)
    {
        var prefix = field.Require("prepend").AsString();
        return new FunctionNormalizer(text => text.Length == 0 ? text : prefix + text);
    }

    private static SequenceNormalizer ReadBert(JsonField field)
    {
        var lowercase = field.FindBoolean("lowercase", true);
        var steps = new List<Normalizer>();
        if (field.FindBoolean("clean_text", true))
        {
            steps.Add(BertNormalization.CleanText);
        }

        if (field.FindBoolean("handle_chinese_chars", true))
        {
            steps.Add(BertNormalization.SpaceIdeographs);
        }

        // When the file leaves it open, accents go together with capitals.
        if (field.FindBoolean("strip_accents", lowercase))
        {
            steps.Add(UnicodeForm.D);
            steps.Add(BertNormalization.StripAccents);
        }

        if (lowercase)
        {
            steps.Add(BertNormalization.Lowercase);
        }

        return new SequenceNormalizer(steps);
    }

    private static PrecompiledNormalizer ReadPrecompiled(JsonField field)
    {
        var map = field.Require("precompiled_charsmap");
        try
        {
            return new PrecompiledNormalizer(Convert.FromBase64String(map.AsString()));
        }
        catch (Exception exception) when (exception is FormatException or InvalidDataException)
        {
            throw map.Error($"is not a character map: {exception.Message}", exception);
        }
    }
}
