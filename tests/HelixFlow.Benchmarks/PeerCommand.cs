using System.CommandLine;
using System.Globalization;
using HelixFlow.TestKit.LlamaCpp;

namespace HelixFlow.Benchmarks;

/// <summary>llama.cpp on exactly the work of <c>helixflow bench engine</c>, with the same line of JSON.</summary>
internal static class PeerCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "A GGUF file" };
        var prompt = new Option<int>("--prompt") { DefaultValueFactory = _ => 512 };
        var generate = new Option<int>("--generate") { DefaultValueFactory = _ => 64 };
        var sequences = new Option<int>("--sequences") { DefaultValueFactory = _ => 1 };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount };
        var command = new Command("peer", "Measure llama.cpp (npm ci --ignore-scripts in tests/interop brings it)") { model, prompt, generate, sequences, threads };
        command.SetAction(arguments => Run(
            arguments.GetRequiredValue(model), arguments.GetValue(prompt), arguments.GetValue(generate), arguments.GetValue(sequences), arguments.GetValue(threads)));
        return command;
    }

    private static void Run(string path, int prompt, int generate, int sequences, int threads)
    {
        using LlamaCppModel model = LlamaCppLibrary.Load().OpenModel(path);
        using LlamaCppContext context = model.CreateContext(new LlamaCppContextOptions { ContextLength = prompt + generate + 32, Sequences = sequences, Threads = threads });
        int modulus = Math.Min(7000, model.VocabularySize - 200);
        int[] next = new int[sequences];

        // One token touches all weights once, so that reading the file is not timed; its position is overwritten.
        context.Evaluate([100], 0, sequences - 1);
        context.Evaluate([100], 1, sequences - 1);
        using LlamaCppContext timed = model.CreateContext(new LlamaCppContextOptions { ContextLength = prompt + generate + 32, Sequences = sequences, Threads = threads });
        long start = TimeProvider.System.GetTimestamp();
        for (int sequence = 0; sequence < sequences; sequence++)
        {
            int[] tokens = [.. Enumerable.Range(0, prompt).Select(i => 100 + (int)((((long)i * 7919) + (31 * sequence)) % modulus))];
            next[sequence] = Best(timed.Evaluate(tokens, 0, sequence));
        }

        TimeSpan prefill = TimeProvider.System.GetElapsedTime(start);
        start = TimeProvider.System.GetTimestamp();
        for (int step = 1; step < generate; step++)
        {
            timed.EvaluateTogether(next, prompt + step - 1);
            for (int sequence = 0; sequence < sequences; sequence++)
            {
                next[sequence] = Best(timed.Logits(sequence));
            }
        }

        TimeSpan decode = TimeProvider.System.GetElapsedTime(start);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"engine":"llama.cpp","model":"{{Path.GetFileName(path)}}","threads":{{threads}},"sequences":{{sequences}},"prompt":{{prompt}},"generate":{{generate}},"prefill_tokens_per_second":{{prompt * sequences / prefill.TotalSeconds:F1}},"decode_tokens_per_second":{{(generate - 1) * sequences / decode.TotalSeconds:F2}}}"""));
    }

    private static int Best(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            best = logits[i] > logits[best] ? i : best;
        }

        return best;
    }
}
