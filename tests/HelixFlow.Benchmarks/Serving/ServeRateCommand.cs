using System.CommandLine;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using HelixFlow.Benchmarks.Cluster;
using HelixFlow.Engine.Cpu;
using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Models;
using HelixFlow.Engine.Sampling;
using HelixFlow.Engine.Speculation;
using HelixFlow.InferenceNode;

namespace HelixFlow.Benchmarks.Serving;

/// <summary>What is left of the engine's rate when clients of a server process ask for it through HTTP.</summary>
internal static class ServeRateCommand
{
    private const int TailTokens = 16;

    public static Command Create()
    {
        var model = new Option<string?>("--model") { Description = "A GGUF file or Hugging Face folder; default: the built-in helix-tiny" };
        var clients = new Option<int>("--clients") { DefaultValueFactory = _ => 8 };
        var prefix = new Option<int>("--prefix") { Description = "Tokens that all prompts share", DefaultValueFactory = _ => 1000 };
        var tokens = new Option<int>("--tokens") { Description = "Tokens of each answer", DefaultValueFactory = _ => 64 };
        var answers = new Option<int>("--answers") { Description = "Answers that each client asks for, one after the other", DefaultValueFactory = _ => 4 };
        var speculation = new Option<SpeculationMode>("--speculation") { Description = "ngram or off, in both", DefaultValueFactory = _ => SpeculationMode.Off };
        var rounds = new Option<int>("--rounds") { Description = "Turns of both ways", DefaultValueFactory = _ => 5 };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount };
        var command = new Command("serve-rate", "Tokens per second of streaming clients through a server process, against the engine in this process with the same work") { model, clients, prefix, tokens, answers, speculation, rounds, threads };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            string path = arguments.GetValue(model) ?? Path.Combine(AppContext.BaseDirectory, "models", "helix-tiny");
            int perAnswer = arguments.GetValue(tokens);
            int workers = arguments.GetValue(threads);
            Console.WriteLine(Machine.Describe());
            using var runner = new ModelRunner(ModelFile.Open(path), new CpuBackend(new CpuBackendOptions { Threads = workers }), new ModelRunnerOptions { ExpectedSequences = 64 });
            await using var engine = new InferenceEngine(runner, new EngineOptions { Speculation = arguments.GetValue(speculation) });
            string[] options = ["--speculation", arguments.GetValue(speculation) == SpeculationMode.Off ? "off" : "ngram"];
            await using RunningServer server = await Servers.AllInOneAsync(path, workers, cancellationToken, options);
            using HttpClient client = Connect(server.Http);
            using var metrics = new NodeMetrics(server.Http);
            int shared = Math.Min(arguments.GetValue(prefix), runner.ContextLength - perAnswer - TailTokens);
            int perRound = arguments.GetValue(clients) * arguments.GetValue(answers);
            Task<int> InProcess(int[] prompt) => AskEngineAsync(engine, prompt, perAnswer, cancellationToken);
            Task<int> Served(int[] prompt) => AskServerAsync(client, ModelSource.NameOf(path), prompt, perAnswer, cancellationToken);
            Task<double> StepsOfServer() => metrics.SumAsync("helixflow_engine_steps_total", cancellationToken);

            List<double> own = [];
            List<double> served = [];
            (double ownSteps, double servedSteps) = (0, 0);
            for (int round = 0; round <= arguments.GetValue(rounds); round++)
            {
                if (round == 1)
                {
                    // The one before compiles, and fills the prefix caches.
                    (ownSteps, servedSteps) = (engine.Snapshot().Steps, await StepsOfServer());
                }

                int[][][] prompts = [.. Prompts(runner.VocabularySize, shared, round * perRound, perRound).Chunk(arguments.GetValue(answers))];
                double ownRate = round % 2 == 0 ? await RateAsync(prompts, InProcess) : 0;
                double servedRate = await RateAsync(prompts, Served);
                ownRate = round % 2 == 0 ? ownRate : await RateAsync(prompts, InProcess);
                if (round > 0)
                {
                    own.Add(ownRate);
                    served.Add(servedRate);
                    await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"round {round}: engine {ownRate:F1}, served {servedRate:F1} tok/s, {servedRate / ownRate:P1}"));
                }
            }

            await Task.Delay(TimeSpan.FromSeconds(1), cancellationToken); // the server's figures are of a moment before
            double tokensOfRounds = (double)perRound * perAnswer * own.Count;
            (ownSteps, servedSteps) = (engine.Snapshot().Steps - ownSteps, await StepsOfServer() - servedSteps);
            Console.WriteLine($"{arguments.GetValue(clients)} clients, {arguments.GetValue(answers)} answers each, {shared} shared and {TailTokens} own tokens of prompt, {perAnswer} of answer, {workers} threads");
            Console.WriteLine("| rounds | engine, tok/s (best) | served, tok/s (best) | tokens a step: engine | served | ratio of the best | ratio, median over rounds |");
            Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- |");
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {own.Count} | {own.Max():F1} | {served.Max():F1} | {tokensOfRounds / ownSteps:F2} | {tokensOfRounds / servedSteps:F2} | {served.Max() / own.Max():P1} | {Quantiles.Median(served.Zip(own, static (through, alone) => through / alone)):P1} |"));
        });
        return command;
    }

    /// <summary>Tokens per second of all answers together, from the first request to the last token.</summary>
    /// <param name="prompts">[client, answer]</param>
    /// <param name="ask">Asks for one answer, and tells its tokens.</param>
    private static async Task<double> RateAsync(int[][][] prompts, Func<int[], Task<int>> ask)
    {
        long start = TimeProvider.System.GetTimestamp();
        int[] counts = await Task.WhenAll(prompts.Select(client => Task.Run(async () =>
        {
            int sum = 0;
            foreach (int[] prompt in client)
            {
                sum += await ask(prompt);
            }

            return sum;
        })));
        return counts.Sum() / TimeProvider.System.GetElapsedTime(start).TotalSeconds;
    }

    private static async Task<int> AskEngineAsync(InferenceEngine engine, int[] prompt, int tokens, CancellationToken cancellationToken)
    {
        var request = new SequenceRequest { RequestId = "bench", Prompt = prompt, MaxTokens = tokens, IgnoreEnd = true, Sampling = SamplingOptions.Greedy };
        SubmitOutcome outcome = engine.Submit(request, out SequenceStream? accepted);
        using SequenceStream stream = accepted ?? throw new InvalidOperationException($"The engine refused a request: {outcome}.");
        int count = 0;
        await foreach (SequenceEvent next in stream.ReadAllAsync(cancellationToken))
        {
            count += next.Kind == SequenceEventKind.Token ? 1 : 0;
        }

        return count == tokens ? count : throw new InvalidOperationException($"The engine gave {count} tokens instead of {tokens}.");
    }

    private static async Task<int> AskServerAsync(HttpClient client, string model, int[] prompt, int tokens, CancellationToken cancellationToken)
    {
        string body = string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"model":"{{model}}","stream":true,"stream_options":{"include_usage":true},"temperature":0,"ignore_eos":true,"max_tokens":{{tokens}},"prompt":[{{string.Join(',', prompt)}}]}""");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            throw new HttpRequestException(await response.Content.ReadAsStringAsync(cancellationToken), null, response.StatusCode);
        }

        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
        string usage = "";
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            usage = line.Contains("\"completion_tokens\"", StringComparison.Ordinal) ? line : usage;
        }

        return usage.Contains(string.Create(CultureInfo.InvariantCulture, $"\"completion_tokens\":{tokens},"), StringComparison.Ordinal)
            ? tokens
            : throw new HttpRequestException($"The answer does not have {tokens} tokens: {usage}");
    }

    private static HttpClient Connect(Uri server)
    {
        var client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = server, Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", HttpTarget.Key);
        return client;
    }

    /// <summary>The shared tokens, then some that no other prompt has.</summary>
    private static IEnumerable<int[]> Prompts(int vocabulary, int shared, int first, int count)
    {
        for (int number = first; number < first + count; number++)
        {
            var random = new Random(number);
            yield return [.. Enumerable.Range(0, shared).Select(i => 100 + (int)(i * 7919L % (vocabulary - 100))), .. Enumerable.Range(0, TailTokens).Select(_ => random.Next(100, vocabulary))];
        }
    }
}
