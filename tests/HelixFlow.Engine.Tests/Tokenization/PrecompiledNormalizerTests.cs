using System.Buffers.Binary;
using System.Text;
using HelixFlow.Engine.Tokenization.Normalizers;

namespace HelixFlow.Engine.Tests.Tokenization;

public sealed class PrecompiledNormalizerTests
{
    private static readonly (string From, string To)[] Rules =
        [("ﬁ", "fi"), ("\u3000", " "), ("ab", "X"), ("abcd", "Y"), ("é", "e\u0301"), ("\u0007", ""), ("𝒜", "A")];

    [Theory]
    [InlineData("ﬁne\u3000é", "fine e\u0301")]
    [InlineData("ab abc abcd abcdab", "X Xc Y YX")]
    [InlineData("\u0007𝒜𝒝", "A𝒝")]
    [InlineData("nothing", "nothing")]
    [InlineData("", "")]
    public void Longest_rule_is_applied_at_every_place(string text, string expected) =>
        Assert.Equal(expected, new PrecompiledNormalizer(Compile(Rules)).Normalize(text));

    [Fact]
    public void Damaged_maps_never_read_outside_themselves()
    {
        var random = new Random(71);
        for (var round = 0; round < 2000; round++)
        {
            var map = Compile(Rules);
            for (var edits = random.Next(1, 30); edits > 0; edits--)
            {
                map[random.Next(sizeof(uint), map.Length)] = (byte)random.Next(256);
            }

            Assert.NotNull(new PrecompiledNormalizer(map).Normalize("abcdé𝒜\u3000ﬁ"));
        }
    }

    // A double array as Darts-clone lays it out: a node's children lie at its own place, xor its offset, xor their label.
    private static byte[] Compile((string From, string To)[] rules)
    {
        var units = new uint[2048];
        var used = new bool[units.Length];
        var pool = new MemoryStream();
        var entries = rules.Select(rule =>
        {
            var at = (uint)pool.Length;
            pool.Write(Encoding.UTF8.GetBytes(rule.To + '\0'));
            return (Key: Encoding.UTF8.GetBytes(rule.From), Value: at);
        }).ToList();
        used[0] = true;
        Place(0, 0, entries);
        var map = new byte[sizeof(uint) + (units.Length * sizeof(uint)) + pool.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(map, (uint)(units.Length * sizeof(uint)));
        for (var at = 0; at < units.Length; at++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(map.AsSpan((at + 1) * sizeof(uint)), units[at]);
        }

        pool.ToArray().CopyTo(map, sizeof(uint) * (units.Length + 1));
        return map;

        void Place(int node, int depth, List<(byte[] Key, uint Value)> under)
        {
            var ends = under.Where(entry => entry.Key.Length == depth).ToList();
            var children = under.Where(entry => entry.Key.Length > depth).GroupBy(entry => entry.Key[depth]).ToList();
            var start = Enumerable.Range(256, units.Length).First(place =>
                (ends.Count == 0 || !used[place]) && children.All(child => !used[place ^ child.Key]));
            units[node] |= (uint)(node ^ start) << 10;
            if (ends.Count > 0)
            {
                units[node] |= 0x100;
                units[start] = 0x8000_0000 | ends[0].Value;
                used[start] = true;
            }

            foreach (var child in children)
            {
                used[start ^ child.Key] = true;
                units[start ^ child.Key] = child.Key;
            }

            foreach (var child in children)
            {
                Place(start ^ child.Key, depth + 1, [.. child]);
            }
        }
    }
}
