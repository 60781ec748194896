using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu;

namespace HelixFlow.Benchmarks;

/// <summary>One layer's attention by itself: how fast decoding reads keys and values, how fast a prompt is multiplied.</summary>
internal static class AttentionCommand
{
    private const int BlockSize = 16;

    public static Command Create()
    {
        var contexts = new Option<int[]>("--context") { Description = "Cached positions of a sequence that decodes", DefaultValueFactory = _ => [512, 4096, 16384], AllowMultipleArgumentsPerToken = true };
        var prompt = new Option<int>("--prompt") { Description = "Rows of a prompt", DefaultValueFactory = _ => 512 };
        var heads = new Option<int>("--heads") { DefaultValueFactory = _ => 32 };
        var kvHeads = new Option<int>("--kv-heads") { DefaultValueFactory = _ => 8 };
        var headSize = new Option<int>("--head-size") { DefaultValueFactory = _ => 64 };
        var sequences = new Option<int>("--sequences") { DefaultValueFactory = _ => 1 };
        var type = new Option<KvType>("--kv-type") { DefaultValueFactory = _ => KvType.F16 };
        var cached = new Option<bool>("--cached") { Description = "One layer, again and again, which stays in the caches as far as it fits" };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount };
        var command = new Command("attention", "Attention over the paged cache: GB/s of keys and values when decoding, GFLOPS of a prompt")
        {
            contexts, prompt, heads, kvHeads, headSize, sequences, type, cached, threads,
        };
        command.SetAction(arguments =>
        {
            int workers = arguments.GetValue(threads);
            MachineCeilings ceilings = MachineCeilings.Measure(workers);
            Print($"ceilings: read {ceilings.ReadGigabytesPerSecond:F1} GB/s, float32 {ceilings.Float32Gflops:F0} GFLOPS");
            int count = arguments.GetValue(sequences);
            (int head, int kvHead, int size, KvType kvType) = (arguments.GetValue(heads), arguments.GetValue(kvHeads), arguments.GetValue(headSize), arguments.GetValue(type));
            foreach (int context in arguments.GetValue(contexts)!)
            {
                TimeSpan time = Measure(workers, head, new KvLayout(arguments.GetValue(cached) ? 1 : LayersFor(context, count, kvHead, size), kvHead, size, 0, BlockSize, kvType), count, context, 1);
                double bytes = (double)count * context / BlockSize * new KvLayout(1, kvHead, size, 1, BlockSize, kvType).BlockBytes;
                Print($"decode {count} x {context}: {time.TotalMicroseconds:F1} us a layer, {bytes / time.TotalSeconds / 1e9:F1} GB/s");
            }

            int rows = arguments.GetValue(prompt);
            if (rows > 0)
            {
                TimeSpan time = Measure(workers, head, new KvLayout(1, kvHead, size, 0, BlockSize, kvType), 1, rows, rows);
                double operations = 4.0 * head * size * ((double)rows * (rows + 1) / 2);
                Print($"prompt {rows}: {time.TotalMicroseconds:F1} us a layer, {operations / time.TotalSeconds / 1e9:F0} GFLOPS of what is seen");
            }
        });
        return command;
    }

    // As many layers as make the keys and values of a step larger than the caches.
    private static int LayersFor(int context, int sequences, int kvHeads, int headSize) =>
        (int)Math.Clamp((256L << 20) / ((long)context * sequences * kvHeads * headSize * 4), 1, 64);

    // The shortest time of a layer, in many rounds over all layers: none finds its keys and values in a cache.
    private static TimeSpan Measure(int threads, int heads, KvLayout layout, int sequences, int length, int rows)
    {
        int blocks = (length + BlockSize - 1) / BlockSize;
        layout = layout with { Blocks = blocks * sequences };
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = threads });
        using DeviceKvStore kv = backend.AllocateKv(layout);
        int chunk = Math.Min(length, 512);
        using DeviceTensor query = backend.Allocate(Math.Max(chunk, sequences * rows), heads * layout.HeadSize);
        using DeviceTensor key = backend.Allocate(chunk, layout.KvHeads * layout.HeadSize);
        using DeviceTensor value = backend.Allocate(chunk, layout.KvHeads * layout.HeadSize);
        using DeviceTensor output = backend.Allocate(Math.Max(chunk, sequences * rows), heads * layout.HeadSize);
        var random = new Random(1);
        foreach (DeviceTensor tensor in (DeviceTensor[])[query, key, value])
        {
            tensor.Rows = tensor.MaxRows;
            ReadOnlySpan<float> memory = backend.Read(tensor);
            foreach (ref float element in MemoryMarshal.CreateSpan(ref MemoryMarshal.GetReference(memory), memory.Length))
            {
                element = (float)random.NextDouble() - 0.5f;
            }
        }

        var rope = new Rope(layout.HeadSize, RopePairing.Halves, [0.1f]);
        int[][] tables = [.. Enumerable.Range(0, sequences).Select(i => Enumerable.Range(i * blocks, blocks).ToArray())];
        var batch = new Batch(Math.Max(chunk, sequences * rows), sequences);
        for (int sequence = 0; sequence < sequences; sequence++)
        {
            for (int first = 0; first < length; first += chunk)
            {
                int count = Math.Min(chunk, length - first);
                batch.Clear();
                batch.Add(new int[count], first, tables[sequence], wantLogits: false);
                (query.Rows, key.Rows, value.Rows) = (count, count, count);
                for (int layer = 0; layer < layout.Layers; layer++)
                {
                    backend.RopeAndStore(query, key, value, rope, kv, layer, batch);
                }
            }
        }

        batch.Clear();
        foreach (int[] table in tables)
        {
            batch.Add(new int[rows], length - rows, table, wantLogits: false);
        }

        query.Rows = output.Rows = batch.Rows;
        var parameters = new AttentionParameters(heads, 1 / MathF.Sqrt(layout.HeadSize), 0, 0);
        TimeSpan best = TimeSpan.MaxValue;
        long start = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(3))
        {
            for (int layer = 0; layer < layout.Layers; layer++)
            {
                long from = TimeProvider.System.GetTimestamp();
                backend.Attention(query, kv, layer, batch, parameters, output);
                TimeSpan time = TimeProvider.System.GetElapsedTime(from);
                best = time < best ? time : best;
            }
        }

        return best;
    }

    private static void Print(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
