using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Tests.LlamaCpp;
using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.Engine.Sampling;

namespace HelixFlow.Engine.Cpu.Tests;

/// <summary>
/// A request's answer is the same, to the bit, alone and in random company: other batches, other chunks, other threads, cached prefixes, choices of
/// one prompt, preemption.
/// </summary>
public sealed class DeterministicTests(ComparedModels models)
{
    private const int Rounds = 5;
    private const int PromptLength = 150;

    [Theory]
    [InlineData("nano", "llama", TensorType.F32)]
    [InlineData("nano", "qwen3", TensorType.BF16)]
    [InlineData("nano", "gemma2", TensorType.Q8_0)]
    [InlineData("nano", "llama3", TensorType.Q4_0)]
    [InlineData("tiny", "llama", TensorType.Q4_0)]
    [InlineData("tiny", "llama", TensorType.Q4_K)]
    public async Task An_answer_has_the_same_bits_alone_and_in_random_company(string preset, string family, TensorType type)
    {
        string path = models.PathOf(preset, family, type);
        KvType[] kvTypes = [KvType.F16, KvType.BF16, KvType.F32, .. preset == "nano" ? (KvType[])[] : [KvType.Q8_0]]; // nano's heads have 16 elements
        long preemptions = 0;
        long cached = 0;
        for (int round = 0; round < Rounds; round++)
        {
            var random = new Random(round);
            SequenceRequest subject = Subject(random, round);
            KvType kvType = kvTypes[round % kvTypes.Length];
            string[] alone;
            await using (var quiet = new Replica(path, kvType, threads: 1, blocks: 200, new EngineOptions { Deterministic = true, PrefixReuse = false, StepTimeBudget = null }))
            {
                alone = await AnswerAsync(quiet.Engine, subject);
            }

            await using var busy = new Replica(path, kvType, threads: random.Next(1, 4), blocks: random.Next(2) == 0 ? 200 : random.Next(28, 40), new EngineOptions
            {
                Deterministic = true,
                MaxBatchTokens = random.Next(2) == 0 ? 512 : random.Next(8, 150),
                MaxSequences = 8,
                PrefixReuse = random.Next(3) > 0,
                StepTimeBudget = random.Next(2) == 0 ? TimeSpan.FromMilliseconds(1) : null,
            });
            List<Task> others = [];
            for (int i = 0; i < 10; i++)
            {
                if (i is 3 or 8)
                {
                    Assert.Equal(alone, await AnswerAsync(busy.Engine, subject)); // the second time perhaps from the cache
                }

                others.Add(AnswerAsync(busy.Engine, Other(random, subject)));
            }

            await Task.WhenAll(others);
            EngineSnapshot snapshot = busy.Engine.Snapshot();
            preemptions += snapshot.Preemptions;
            cached += snapshot.CachedTokens;
        }

        Assert.True(preemptions > 0 && cached > 0, $"{preemptions} preemptions, {cached} cached tokens: the company is too polite");
    }

    /// <summary>All ways to sample, with and without a seed.</summary>
    private static SequenceRequest Subject(Random random, int round)
    {
        SamplingOptions sampling = (round % 4) switch
        {
            0 => SamplingOptions.Greedy,
            1 => new SamplingOptions { Temperature = 1.1f, Seed = 7, TopP = 0.95f, PresencePenalty = 0.3f, FrequencyPenalty = 0.2f },
            2 => new SamplingOptions { Temperature = 1 },
            _ => new SamplingOptions { Temperature = 0.8f, TopK = 40, MinP = 0.01f, RepetitionPenalty = 1.1f },
        };
        return Request(RandomTokens(random, PromptLength + random.Next(20)), 40, sampling, round % 2 == 0 ? 1 : 3);
    }

    /// <summary>Something else, which in every third case begins like the subject.</summary>
    private static SequenceRequest Other(Random random, SequenceRequest subject)
    {
        int[] tail = RandomTokens(random, random.Next(1, 120));
        int[] prompt = random.Next(3) == 0 ? [.. subject.Prompt[..random.Next(1, PromptLength)].Span, .. tail] : tail;
        return Request(prompt, random.Next(1, 60), SamplingOptions.Default, random.Next(1, 3));
    }

    private static SequenceRequest Request(int[] prompt, int tokens, SamplingOptions sampling, int count) => new()
    {
        RequestId = "test",
        Prompt = prompt,
        MaxTokens = tokens,
        Sampling = sampling,
        Count = count,
        TopLogprobs = 4,
    };

    /// <summary>Tokens and log probabilities of each choice, as bits.</summary>
    private static async Task<string[]> AnswerAsync(InferenceEngine engine, SequenceRequest request)
    {
        Assert.Equal(SubmitOutcome.Accepted, engine.Submit(request, out SequenceStream? accepted));
        using SequenceStream stream = accepted!;
        var choices = new List<string>[request.Count];
        for (int i = 0; i < choices.Length; i++)
        {
            choices[i] = [];
        }

        await foreach (SequenceEvent next in stream.ReadAllAsync(TestContext.Current.CancellationToken))
        {
            Assert.Null(next.Error);
            string top = string.Concat(next.TopLogprobs.ToArray().Select(static other => $" {other.Token}/{Bits(other.Logprob)}"));
            choices[next.Choice].Add($"{next.Kind} {next.Token}/{Bits(next.Logprob)}{top}");
        }

        return [.. choices.Select(static choice => string.Join('\n', choice))];
    }

    private static string Bits(float value) => BitConverter.SingleToUInt32Bits(value).ToString("x8", System.Globalization.CultureInfo.InvariantCulture);

    private static int[] RandomTokens(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(97, 500))];

    /// <summary>A model on this processor with its engine.</summary>
    private sealed class Replica : IAsyncDisposable
    {
        private readonly ModelRunner _runner;

        public Replica(string path, KvType kvType, int threads, int blocks, EngineOptions options)
        {
            _runner = new ModelRunner(
                ModelFile.Open(path),
                new CpuBackend(new CpuBackendOptions { Threads = threads }),
                new ModelRunnerOptions { KvBlocks = blocks, KvBlockSize = 16, KvType = kvType, ContextLength = 400 });
            Engine = new InferenceEngine(_runner, options);
        }

        public InferenceEngine Engine { get; }

        public async ValueTask DisposeAsync()
        {
            await Engine.DisposeAsync();
            _runner.Dispose();
        }
    }
}
