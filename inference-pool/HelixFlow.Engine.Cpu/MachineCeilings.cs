using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using HelixFlow.Engine.Cpu.MachineCode;
using HelixFlow.Engine.Cpu.Matrices;
using HelixFlow.Engine.Cpu.Memory;

namespace HelixFlow.Engine.Cpu;

/// <summary>What this machine can do at most, measured now: the limits that the engine's rates are compared with.</summary>
/// <param name="ReadGigabytesPerSecond">Reading memory far larger than the caches.</param>
/// <param name="Int8Gops">Multiply-and-adds of bytes in registers, two operations each.</param>
/// <param name="Float32Gflops">Fused multiply-and-adds of float32 in registers, two operations each.</param>
public sealed record MachineCeilings(double ReadGigabytesPerSecond, double Int8Gops, double Float32Gflops)
{
    private const int Rounds = 3;

    /// <summary>Measures each limit several times with this many threads and takes the best; about a second in all.</summary>
    public static unsafe MachineCeilings Measure(int threads)
    {
        const long Bytes = 512L << 20;
        const int Loops = 20_000_000;
        using var memory = new NativeBuffer(Bytes);
        new Span<byte>(memory.Bytes, (int)(Bytes / 2)).Fill(1);
        new Span<byte>(memory.Bytes + (Bytes / 2), (int)(Bytes / 2)).Fill(1);
        long share = Bytes / threads / 4096 * 4096;
        byte* data = memory.Bytes;
        double read = Best(threads, worker => ReadAll(data + (worker * share), share), share * threads);
        double int8 = MeasureInt8(threads, Loops);
        double float32 = Best(threads, static _ => MultiplyFloats(Loops), 8.0 * 16 * 2 * Loops * threads);
        return new MachineCeilings(read / 1e9, int8 / 1e9, float32 / 1e9);
    }

    // By 512-bit instructions that .NET does not offer, where there are some.
    private static double MeasureInt8(int threads, int loops)
    {
        double methods = Best(threads, _ => MultiplyBytes(loops), 8.0 * 32 * 2 * loops * threads);
        using ByteDotLoop? loop = ByteDotLoop.TryCreate();
        if (loop is null)
        {
            return methods;
        }

        // Less than a millisecond each, so that some are not disturbed.
        const int LoopRounds = 50_000;
        return Math.Max(methods, Best(threads, _ => RunRounds(loop, LoopRounds), (double)ByteDotLoop.OperationsPerRound * LoopRounds * threads, rounds: 60));
    }

    private static int RunRounds(ByteDotLoop loop, int rounds)
    {
        loop.Run(rounds);
        return rounds;
    }

    private static double Best(int threads, Func<int, int> work, double amount, int rounds = Rounds)
    {
        double best = 0;
        for (int round = 0; round < rounds; round++)
        {
            using var start = new Barrier(threads);
            var times = new TimeSpan[threads];
            var team = new Thread[threads];
            for (int worker = 0; worker < threads; worker++)
            {
                int me = worker;
                team[me] = new Thread(() =>
                {
                    start.SignalAndWait();
                    long from = Stopwatch.GetTimestamp();
                    Sink = work(me);
                    times[me] = Stopwatch.GetElapsedTime(from);
                });
                team[me].Start();
            }

            foreach (Thread thread in team)
            {
                thread.Join();
            }

            best = Math.Max(best, amount / times.Max().TotalSeconds);
        }

        return best;
    }

    // Written so that the compiler cannot drop the loops whose results nobody wants. The loops are compiled fully at once: they run too few
    // times to be noticed and compiled again.
    private static volatile int Sink;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe int ReadAll(byte* data, long bytes)
    {
        Vector256<int> a = default, b = default, c = default, d = default;
        for (long i = 0; i < bytes; i += 128)
        {
            a ^= Vector256.Load((int*)(data + i));
            b ^= Vector256.Load((int*)(data + i + 32));
            c ^= Vector256.Load((int*)(data + i + 64));
            d ^= Vector256.Load((int*)(data + i + 96));
        }

        return Vector256.Sum(a ^ b ^ c ^ d);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int MultiplyBytes(int loops)
    {
        Vector256<byte> u = Vector256.Create((byte)3);
        Vector256<sbyte> s = Vector256.Create((sbyte)5);
        Vector256<int> a = default, b = default, c = default, d = default, e = default, f = default, g = default, h = default;
        for (int i = 0; i < loops; i++)
        {
            a = ByteDot.Add(a, u, s);
            b = ByteDot.Add(b, u, s);
            c = ByteDot.Add(c, u, s);
            d = ByteDot.Add(d, u, s);
            e = ByteDot.Add(e, u, s);
            f = ByteDot.Add(f, u, s);
            g = ByteDot.Add(g, u, s);
            h = ByteDot.Add(h, u, s);
        }

        return Vector256.Sum(a + b + c + d + e + f + g + h);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int MultiplyFloats(int loops)
    {
        Vector512<float> u = Vector512.Create(1.0000001f), s = Vector512.Create(0.5f);
        Vector512<float> a = s, b = s, c = s, d = s, e = s, f = s, g = s, h = s;
        for (int i = 0; i < loops; i++)
        {
            a = Vector512.FusedMultiplyAdd(a, u, s);
            b = Vector512.FusedMultiplyAdd(b, u, s);
            c = Vector512.FusedMultiplyAdd(c, u, s);
            d = Vector512.FusedMultiplyAdd(d, u, s);
            e = Vector512.FusedMultiplyAdd(e, u, s);
            f = Vector512.FusedMultiplyAdd(f, u, s);
            g = Vector512.FusedMultiplyAdd(g, u, s);
            h = Vector512.FusedMultiplyAdd(h, u, s);
        }

        return (int)Vector512.Sum(a + b + c + d + e + f + g + h);
    }
}
