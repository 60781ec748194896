using HelixFlow.Engine.Cpu.Memory;

namespace HelixFlow.Engine.Cpu.Tests.Memory;

public sealed unsafe class WeightMemoryTests
{
    [Fact]
    public void Slices_keep_their_contents_whatever_is_taken_and_given_back_beside_them()
    {
        var memory = new WeightMemory();
        Parallel.For(0, 4, worker =>
        {
            var random = new Random(worker);
            var held = new List<(WeightSlice Slice, byte Mark)>();
            for (int round = 0; round < 300; round++)
            {
                if (held.Count > 0 && random.Next(3) == 0)
                {
                    int index = random.Next(held.Count);
                    Check(held[index]);
                    held[index].Slice.Dispose();
                    held.RemoveAt(index);
                    continue;
                }

                // Most are small; some do not fit into what is left of a piece, and few need one of their own.
                long size = random.Next(40) == 0 ? random.NextInt64(1 << 20, 40 << 20) : random.NextInt64(1, 200_000);
                WeightSlice slice = memory.Take(size);
                Assert.Equal(size, slice.SizeBytes);
                Assert.Equal(0, (nint)slice.Bytes % 64);
                byte mark = (byte)random.Next(256);
                Span(slice).Fill(mark);
                held.Add((slice, mark));
            }

            foreach ((WeightSlice slice, byte mark) in held)
            {
                Check((slice, mark));
                slice.Dispose();
                slice.Dispose();
            }
        });
    }

    [Fact]
    public void What_was_given_back_entirely_is_not_used_again()
    {
        var memory = new WeightMemory();
        memory.Take(1000).Dispose();
        using WeightSlice next = memory.Take(1000);
        Span(next).Fill(1); // a fault if the piece were the one that the system has back
        Assert.Equal(1, next.Bytes[999]);
    }

    private static Span<byte> Span(WeightSlice slice) => new(slice.Bytes, (int)slice.SizeBytes);

    private static void Check((WeightSlice Slice, byte Mark) held) => Assert.Equal(-1, Span(held.Slice).IndexOfAnyExcept(held.Mark));
}
