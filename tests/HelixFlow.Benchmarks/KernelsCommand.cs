using System.CommandLine;
using System.Globalization;
using HelixFlow.Engine.Cpu;
using HelixFlow.Engine.Cpu.Matrices;
using HelixFlow.Engine.Cpu.Matrices.Interleaved;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Benchmarks;

/// <summary>The kernels of quantised weights alone: machine code beside methods, and both beside what the machine can do at most.</summary>
/// <remarks>
/// Kernels of the same rows take turns, many short rounds each, and the best round counts, so that a busy machine disturbs all alike. "cache": weights stay in
/// the second-level cache, as they do in a prefill; "memory": they are read from memory, as they are in decoding.
/// </remarks>
internal static unsafe class KernelsCommand
{
    private const int Columns = 2048;
    private const int GroupsPerCall = 8;
    private const long MemoryBytes = 256L << 20; // for each thread
    private const int MaxRows = 8;

    public static Command Create()
    {
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount };
        var rounds = new Option<int>("--rounds") { Description = "Rounds of each kernel", DefaultValueFactory = _ => 30 };
        var types = new Option<string[]>("--types") { Description = "Quantised types, such as Q8_0; all by default", AllowMultipleArgumentsPerToken = true };
        var command = new Command("kernels", "Measure the kernels of quantised weights against the machine's limits") { threads, rounds, types };
        command.SetAction(arguments => Run(arguments.GetValue(threads), arguments.GetValue(rounds), arguments.GetValue(types) ?? []));
        return command;
    }

    private static void Run(int threads, int rounds, string[] types)
    {
        MachineCeilings ceilings = MachineCeilings.Measure(threads);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"ceilings: {ceilings.Int8Gops:F0} GOPS of int8, {ceilings.ReadGigabytesPerSecond:F1} GB/s read, {threads} threads"));
        Console.WriteLine("type  rows | cache: methods, machine code GOPS (of peak) | memory: methods, machine code GB/s (of read)");
        IEnumerable<TensorType> all = Enum.GetValues<TensorType>().Where(type => type.BlockElements() > 1);
        foreach (TensorType type in types.Length == 0 ? all : types.Select(Enum.Parse<TensorType>))
        {
            using var bench = new KernelRounds(type, threads);
            for (int rows = 1; rows <= MaxRows; rows++)
            {
                Console.WriteLine(bench.Measure(rows, rounds, ceilings));
            }
        }
    }

    /// <summary>Weights and activations of one type for every thread, and the rounds over them.</summary>
    private sealed class KernelRounds : IDisposable
    {
        private readonly TensorType _type;
        private readonly int _blocks;
        private readonly long _groupBytes;
        private readonly NativeBuffer[] _weights;
        private readonly NativeBuffer[] _activations;

        public KernelRounds(TensorType type, int threads)
        {
            _type = type;
            InterleavedLayout layout = InterleavedLayout.Of(type);
            _blocks = Columns / layout.BlockColumns;
            _groupBytes = layout.GroupBytes(Columns);
            _weights = [.. Enumerable.Range(0, threads).Select(_ => Filled(MemoryBytes))];
            _activations = [.. Enumerable.Range(0, threads).Select(_ => Filled(1 << 20))];
        }

        public string Measure(int rows, int rounds, MachineCeilings ceilings)
        {
            InterleavedKernels[] kernels = [InterleavedKernels.For(_type, machineCode: false), InterleavedKernels.For(_type)];
            double operations = 2.0 * rows * Columns * InterleavedLayout.Rows * GroupsPerCall * _weights.Length;
            int repeat = Math.Max(1, 256 / rows);
            double[] cache = Turns(kernels, rows, rounds, (_, _) => 0, repeat);

            // Each round goes on where the last one ended, so that no cache holds what it reads.
            long calls = 32L << 20;
            calls /= _groupBytes * GroupsPerCall;
            long places = (MemoryBytes / (_groupBytes * GroupsPerCall)) - calls;
            double[] memory = Turns(kernels, rows, rounds, (round, call) => (round * calls % places) + call, (int)calls);
            double bytes = (double)_groupBytes * GroupsPerCall * _weights.Length * calls;
            string Gops(int kernel) => Rate(operations * repeat / cache[kernel], ceilings.Int8Gops);
            string Bandwidth(int kernel) => Rate(bytes / memory[kernel], ceilings.ReadGigabytesPerSecond);
            return $"{_type,-5} {rows,4} | {Gops(0)} {Gops(1)} | {Bandwidth(0)} {Bandwidth(1)}";
        }

        public void Dispose()
        {
            foreach (NativeBuffer buffer in _weights.Concat(_activations))
            {
                buffer.Dispose();
            }
        }

        private static string Rate(double perSecond, double limit) =>
            string.Create(CultureInfo.InvariantCulture, $"{perSecond / 1e9,8:F1} ({perSecond / 1e9 / limit,4:P0})");

        private static NativeBuffer Filled(long bytes)
        {
            var buffer = new NativeBuffer(bytes);
            new Span<byte>(buffer.Bytes, checked((int)bytes)).Fill(1);
            return buffer;
        }

        // Seconds of each kernel's best round, in which all threads make so many calls.
        private double[] Turns(InterleavedKernels[] kernels, int rows, int rounds, Func<long, int, long> place, int calls)
        {
            double[] best = [.. kernels.Select(_ => double.MaxValue)];
            var times = new TimeSpan[_weights.Length];
            using var together = new Barrier(_weights.Length);
            void Work(int thread)
            {
                for (int turn = 0; turn < rounds * kernels.Length; turn++)
                {
                    together.SignalAndWait();
                    long start = TimeProvider.System.GetTimestamp();
                    for (int call = 0; call < calls; call++)
                    {
                        Call(kernels[turn % kernels.Length], rows, thread, place(turn, call));
                    }

                    times[thread] = TimeProvider.System.GetElapsedTime(start);
                    together.SignalAndWait();
                    if (thread == 0)
                    {
                        best[turn % kernels.Length] = Math.Min(best[turn % kernels.Length], times.Max().TotalSeconds);
                    }
                }
            }

            Thread[] team = [.. Enumerable.Range(1, _weights.Length - 1).Select(thread => new Thread(() => Work(thread)))];
            Array.ForEach(team, thread => thread.Start());
            Work(0);
            Array.ForEach(team, thread => thread.Join());
            return best;
        }

        private void Call(InterleavedKernels kernels, int rows, int thread, long place)
        {
            byte* activations = _activations[thread].Bytes;
            var call = new TileCall
            {
                Weights = _weights[thread].Bytes + (place * GroupsPerCall * _groupBytes),
                GroupStride = (nint)_groupBytes,
                Groups = GroupsPerCall,
                Blocks = _blocks,
                CodesStride = Columns,
                ScalesStride = Columns / 32 * sizeof(float),
                CodeSumsStride = Columns / 16 * sizeof(int),
                Sums = (float*)(activations + (768 << 10)),
                SumsStride = GroupsPerCall * InterleavedLayout.Rows * sizeof(float),
            };

            for (int row = 0; row < rows;)
            {
                TileKernel kernel = kernels.Of(rows - row);
                call.Codes = (sbyte*)activations + (row * call.CodesStride);
                call.Scales = (float*)(activations + (256 << 10) + (row * call.ScalesStride));
                call.CodeSums = (int*)(activations + (512 << 10) + (row * call.CodeSumsStride));
                kernel.Run(&call);
                row += kernel.Rows;
            }
        }
    }
}
