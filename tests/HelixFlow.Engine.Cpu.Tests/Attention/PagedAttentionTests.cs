using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Attention;
using HelixFlow.Engine.Cpu.Tests.Vectors;
using HelixFlow.Engine.Cpu.Vectors;

namespace HelixFlow.Engine.Cpu.Tests.Attention;

/// <summary>Attention of every kind of keys and values on every width of vectors, over random shapes and mixes.</summary>
public sealed class PagedAttentionTests
{
    private static readonly int[] s_headSizes = [64, 80, 96, 128, 256];

    public static TheoryData<int, KvType> WidthsAndTypes
    {
        get
        {
            var data = new TheoryData<int, KvType>();
            foreach (VectorWidth width in Enum.GetValues<VectorWidth>())
            {
                foreach (KvType type in Enum.GetValues<KvType>())
                {
                    data.Add((int)width, type);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(WidthsAndTypes))]
    public void Every_row_has_the_result_of_the_definition(int vectors, KvType type)
    {
        VectorWidth width = Widths.OrSkip(vectors);
        var random = new Random(7 + vectors);
        for (int round = 0; round < 24; round++)
        {
            using AttentionCase attention = RandomCase(random, type, round, longest: 700);
            (int, int, int)[] all = [.. Enumerable.Range(0, attention.Sequences).Select(i => (i, 0, attention.RowsOf(i)))];
            float[][] actual = attention.Run(width, random.Next(1, 4), all);

            int row = 0;
            for (int sequence = 0; sequence < attention.Sequences; sequence++)
            {
                for (int i = 0; i < attention.RowsOf(sequence); i++, row++)
                {
                    double[] expected = attention.Expected(sequence, i);
                    double error = expected.Zip(actual[row], static (e, a) => Math.Abs(e - a)).Max();
                    Assert.True(error <= 1e-5 * expected.Max(Math.Abs), $"round {round}, sequence {sequence}, row {i}: off by {error:E1}");
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(WidthsAndTypes))]
    public void A_row_has_the_same_bits_alone_in_any_mix_and_on_any_number_of_threads(int vectors, KvType type)
    {
        VectorWidth width = Widths.OrSkip(vectors);
        var random = new Random(70 + vectors);
        for (int round = 0; round < 10; round++)
        {
            using AttentionCase attention = RandomCase(random, type, round, longest: 1500);
            float[][][] whole = [.. Enumerable.Range(0, attention.Sequences).Select(i => attention.Run(width, 1, (i, 0, attention.RowsOf(i))))];
            for (int mix = 0; mix < 6; mix++)
            {
                var parts = new List<(int Sequence, int First, int Count)>();
                for (int sequence = 0; sequence < attention.Sequences; sequence++)
                {
                    if (mix < 2 ? sequence == round % attention.Sequences : random.Next(4) > 0)
                    {
                        int first = random.Next(attention.RowsOf(sequence));
                        parts.Add((sequence, first, mix == 0 ? 1 : random.Next(1, attention.RowsOf(sequence) - first + 1)));
                    }
                }

                if (parts.Count == 0)
                {
                    continue;
                }

                float[][] mixed = attention.Run(width, random.Next(1, 6), [.. parts]);
                float[][] alone = [.. parts.SelectMany(part => whole[part.Sequence].Skip(part.First).Take(part.Count))];
                for (int row = 0; row < mixed.Length; row++)
                {
                    Assert.True(mixed[row].AsSpan().SequenceEqual(alone[row]), $"round {round}, mix {mix}, row {row} differs");
                }
            }
        }
    }

    [Fact]
    public void Codes_want_heads_of_whole_blocks()
    {
        ArgumentException refused = Assert.Throws<ArgumentException>(() => new CpuKvStore(new KvLayout(1, 1, 80, 1, 16, KvType.Q8_0)));

        Assert.Contains("80", refused.Message, StringComparison.Ordinal);
    }

    private static AttentionCase RandomCase(Random random, KvType type, int round, int longest)
    {
        int headSize = s_headSizes[round % s_headSizes.Length];
        if (type == KvType.Q8_0 && headSize == 80)
        {
            headSize = 32;
        }
        else if (round == 7)
        {
            headSize = type == KvType.Q8_0 ? 160 : 10;
        }

        int group = (round % 8) + 1;
        int blockSize = (round % 6) switch
        {
            4 => 4,
            5 => 24,
            _ => 16,
        };
        int window = random.Next(3) == 0 ? random.Next(1, longest / 2) : 0;
        float cap = random.Next(4) == 0 ? 5 : 0;
        (int, int)[] sequences = [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => (random.Next(2) == 0 ? random.Next(20) : random.Next(longest), random.Next(2) == 0 ? 1 : random.Next(1, 40)))];
        return new AttentionCase(random, type, headSize, random.Next(1, 4), group, blockSize, window, cap, sequences);
    }
}
