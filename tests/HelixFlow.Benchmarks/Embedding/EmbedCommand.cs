using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using HelixFlow.Engine.Cpu;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.LlamaCpp;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Benchmarks.Embedding;

/// <summary>Texts a second of encoders in the shapes of all-MiniLM-L6-v2 and bge-base, ours and llama.cpp's in turns.</summary>
internal static class EmbedCommand
{
    private const int BatchTokens = 512;

    public static Command Create()
    {
        var presets = new Option<string[]>("--shape") { Description = "minilm, base; both by default", DefaultValueFactory = _ => ["minilm", "base"], AllowMultipleArgumentsPerToken = true };
        var types = new Option<TensorType[]>("--type") { Description = "F32, F16, BF16, Q8_0, Q4_0", DefaultValueFactory = _ => [TensorType.F16, TensorType.Q8_0], AllowMultipleArgumentsPerToken = true };
        var lengths = new Option<int[]>("--tokens") { Description = "Lengths of the texts, which fill batches of 512 tokens", DefaultValueFactory = _ => [16, 128, 512], AllowMultipleArgumentsPerToken = true };
        var threads = new Option<int>("--threads") { Description = "Threads", DefaultValueFactory = _ => Environment.ProcessorCount };
        var rounds = new Option<int>("--rounds") { Description = "Rounds of which the best counts", DefaultValueFactory = _ => 9 };
        var alone = new Option<bool>("--alone") { Description = "Leave out the peer" };
        var command = new Command("embed", "Measure encoders beside llama.cpp (npm ci --ignore-scripts in tests/interop)") { presets, types, lengths, threads, rounds, alone };
        command.SetAction(arguments => Run(
            arguments.GetValue(presets)!, arguments.GetValue(types)!, arguments.GetValue(lengths)!, arguments.GetValue(threads), arguments.GetValue(rounds), arguments.GetValue(alone)));
        return command;
    }

    private static void Run(string[] presets, TensorType[] types, int[] lengths, int threads, int rounds, bool alone)
    {
        using var folder = new TempFolder();
        Console.WriteLine("| shape | weights | tokens a text | texts a batch | texts/s | llama.cpp | ratio |");
        Console.WriteLine("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
        foreach (string preset in presets)
        {
            foreach (TensorType type in types)
            {
                string path = folder[$"{preset}-{type}.gguf"];
                RandomEncoder.Write(preset, "bert", type, path);
                foreach (int length in lengths)
                {
                    Console.WriteLine(Measure(path, preset, type, length, threads, rounds, alone));
                }

                File.Delete(path);
            }
        }
    }

    private static string Measure(string path, string preset, TensorType type, int length, int threads, int rounds, bool alone)
    {
        int count = Math.Max(1, BatchTokens / length);
        var random = new Random(1);
        int[][] texts = [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, length).Select(_ => random.Next(5, 30_000)).ToArray())];
        using var runner = new EncoderRunner(ModelFile.Open(path), new CpuBackend(new CpuBackendOptions { Threads = threads }), new ModelRunnerOptions { MaxBatchRows = BatchTokens });
        using LlamaCppModel? model = alone ? null : LlamaCppLibrary.Load().OpenModel(path);
        using LlamaCppContext? peer = model?.CreateContext(new LlamaCppContextOptions { ContextLength = BatchTokens, Sequences = count, Threads = threads, Pooling = 1 });
        double ours = double.MaxValue;
        double theirs = double.MaxValue;
        for (int round = 0; round < rounds; round++)
        {
            ours = Math.Min(ours, Seconds(() => RunOurs(runner, texts)));
            theirs = peer is null ? theirs : Math.Min(theirs, Seconds(() => peer.Embed(texts, runner.ResultSize)));
        }

        return string.Create(
            CultureInfo.InvariantCulture,
            $"| {preset} | {type} | {length} | {count} | {count / ours:F1} | {(peer is null ? "" : $"{count / theirs:F1}")} | {(peer is null ? "" : $"{theirs / ours:F2}")} |");
    }

    private static void RunOurs(EncoderRunner runner, int[][] texts)
    {
        runner.Clear();
        foreach (int[] text in texts)
        {
            runner.Add(text, text.Length, Pooling.Mean);
        }

        runner.Run();
    }

    private static double Seconds(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
