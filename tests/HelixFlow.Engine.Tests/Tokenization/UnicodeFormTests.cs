using System.Globalization;
using System.Text;
using HelixFlow.Engine.Tokenization.Normalizers;

namespace HelixFlow.Engine.Tests.Tokenization;

/// <summary>The four normal forms agree with node's.</summary>
public sealed class UnicodeFormTests(NodeWitness witness) : IClassFixture<NodeWitness>
{
    private static readonly Normalizer[] Forms = [UnicodeForm.C, UnicodeForm.D, UnicodeForm.KC, UnicodeForm.KD];

    [Fact]
    public void Every_character_has_nodes_normal_forms()
    {
        // Characters younger than the table stay as they are; node may know them.
        var texts = Enumerable.Range(0, 0x110000).Where(code => Rune.IsValid(code) && CharUnicodeInfo.GetUnicodeCategory(code) is not
            (UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse) && code is < 0x3400 or >= 0xA000 and < 0xAC10 or >= 0xD790 and < 0x17000
            or >= 0x1D000 and < 0x1F300 or >= 0x2F800 and < 0x2FA20).Where(Rune.IsValid).Where(code => !YoungerThanTable(code))
            .Select(code => new Rune(code).ToString()).ToList();

        Compare(texts);
    }

    [Fact]
    public void Runs_of_marks_and_jamo_have_nodes_normal_forms()
    {
        var random = new Random(5);
        (int First, int Count)[] blocks = [(0x300, 0x70), (0x41, 58), (0xC0, 0x180), (0x1100, 0x13), (0x1161, 0x15), (0x11A7, 0x1C), (0xAC00, 0x200), (0x5B0, 0x14), (0x915, 0x39), (0xFF66, 0x38), (0x1E00, 0x100)];
        var texts = Enumerable.Range(0, 4000).Select(_ => string.Concat(Enumerable.Range(0, random.Next(1, 9)).Select(_ =>
        {
            var (first, count) = blocks[random.Next(2) == 0 ? 0 : random.Next(blocks.Length)];
            return new Rune(first + random.Next(count)).ToString();
        }))).ToList();

        Compare(texts);
    }

    // Decompositions that came with Unicode 15 and later.
    private static bool YoungerThanTable(int code) => code is >= 0x1E030 and <= 0x1E06D or >= 0x1E08F and <= 0x1E08F or >= 0x1CCD6 and <= 0x1CCF9
        or >= 0x105C0 and <= 0x105FF or >= 0x11380 and <= 0x113FF or >= 0x16100 and <= 0x1613F or >= 0x16D40 and <= 0x16D7F or >= 0xA7F1 and <= 0xA7F1
        or >= 0x10D4E and <= 0x10D6D or >= 0x10EFA and <= 0x10EFF or >= 0x10EC2 and <= 0x10EC4 or 0x11241 or 0x11F41 or 0x11F42 or 0xECE or 0x897 or 0x1E5EE or 0x1E5EF;

    private void Compare(List<string> texts)
    {
        var theirs = witness.AskForms(texts);
        for (var at = 0; at < theirs.Length; at++)
        {
            var text = texts[at / Forms.Length];
            var mine = Forms[at % Forms.Length].Normalize(text);
            Assert.True(mine == theirs[at], $"form {at % Forms.Length} of {Codes(text)}: theirs {Codes(theirs[at])}, mine {Codes(mine)}");
        }
    }

    private static string Codes(string text) => string.Join(' ', text.EnumerateRunes().Select(rune => $"{rune.Value:X4}"));
}
