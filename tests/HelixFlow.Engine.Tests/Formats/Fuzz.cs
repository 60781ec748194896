using System.Buffers.Binary;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Tests.Formats;

/// <summary>Seeded damage to valid files: a parser may refuse them with a <see cref="ModelFormatException"/> only, and must stay small.</summary>
internal static unsafe class Fuzz
{
    // Opening allocates for what a file of a few KB can describe, plus the mapping and an exception with its message.
    private const long MaxAllocatedBytes = 1 << 20;

    private static readonly ulong[] Extremes =
    [
        0, 1, 2, 7, 31, 32, 33, 255, 256, 65535, 65536, int.MaxValue, 1UL << 31, uint.MaxValue, 1UL << 32,
        (1UL << 40) + 1, long.MaxValue, 1UL << 63, ulong.MaxValue, ulong.MaxValue - 7, ulong.MaxValue / 4 + 1,
    ];

    public static void Run(byte[] valid, int seed, int rounds, string path, Func<string, TensorFile> open, Action<TensorFile>? use = null)
    {
        var random = new Random(seed);
        int opened = 0;
        int refused = 0;
        for (int round = 0; round < rounds; round++)
        {
            byte[] damaged = Damage(valid, random);
            File.WriteAllBytes(path, damaged);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                using TensorFile file = open(path);
                Touch(file);
                use?.Invoke(file);
                opened++;
            }
            catch (ModelFormatException e)
            {
                Assert.StartsWith(path, e.Message, StringComparison.Ordinal);
                refused++;
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}, round {round}: {e}");
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(allocated < MaxAllocatedBytes, $"seed {seed}, round {round}: {allocated} bytes allocated for a file of {damaged.Length}");
        }

        // Both ends must be reached, or the damage is too mild or too wild to test anything.
        Assert.InRange(refused, rounds / 10, rounds);
        Assert.InRange(opened, 1, rounds);
    }

    /// <summary>Reads each tensor's first and last byte: they must lie in the mapping.</summary>
    private static void Touch(TensorFile file)
    {
        long sum = 0;
        foreach (StoredTensor tensor in file.Tensors.Values)
        {
            Assert.True((long)tensor.Rows * tensor.Columns >= 0);
            sum += tensor.SizeBytes == 0 ? 0 : tensor.Data[0] + tensor.Data[tensor.SizeBytes - 1];
        }

        Assert.True(sum >= 0);
    }

    private static byte[] Damage(byte[] valid, Random random)
    {
        byte[] file = [.. valid];
        for (int changes = random.Next(1, 4); changes > 0; changes--)
        {
            int at = random.Next(file.Length);
            switch (random.Next(5))
            {
                case 0: // a flipped bit
                    file[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1: // a random byte
                    file[at] = (byte)random.Next(256);
                    break;
                case 2: // a length, count or offset replaced by an extreme
                    ulong extreme = Extremes[random.Next(Extremes.Length)];
                    if (at + 8 <= file.Length && random.Next(2) == 0)
                    {
                        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(at), extreme);
                    }
                    else if (at + 4 <= file.Length)
                    {
                        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(at), (uint)extreme);
                    }

                    break;
                case 3: // a piece copied elsewhere
                    int length = Math.Min(random.Next(1, 40), file.Length - at);
                    int target = random.Next(file.Length - length + 1);
                    file.AsSpan(at, length).ToArray().CopyTo(file, target);
                    break;
                default: // a digit changed, which text headers are made of
                    int digit = Array.FindIndex(file, at, static b => b is >= (byte)'0' and <= (byte)'9');
                    file[digit < 0 ? at : digit] = (byte)('0' + random.Next(10));
                    break;
            }
        }

        return random.Next(8) == 0 ? file[..random.Next(file.Length)] : file;
    }
}
