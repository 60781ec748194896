using System.Globalization;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.LlamaCpp;
using HelixFlow.TestKit.Backends;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Cpu.Tests.LlamaCpp;

/// <summary>Random models of every family, run here and by llama.cpp.</summary>
public sealed class LlamaCppComparisonTests(ComparedModels models, ITestOutputHelper output)
{
    private const int PromptLength = 200;
    private const int Steps = 64;

    /// <summary>In float32, where both sides differ in the order of their sums only.</summary>
    private const double FloatTolerance = 1e-4;

    /// <summary>For weights of other types, where each side rounds activations in its own way.</summary>
    private const double RoundedTolerance = 2e-2;

    public static TheoryData<string, string> Models
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string family in RandomModel.Families)
            {
                data.Add("nano", family);
                data.Add("tiny", family);
            }

            return data;
        }
    }

    public static TheoryData<string, string, TensorType> RoundedModels
    {
        get
        {
            var data = new TheoryData<string, string, TensorType>();
            foreach (string family in RandomModel.Families)
            {
                foreach (TensorType type in (TensorType[])[TensorType.BF16, TensorType.Q8_0, TensorType.Q4_0])
                {
                    data.Add("nano", family, type);
                    data.Add("tiny", family, type);
                }

                // Rows of K types are whole blocks of 256, for which nano is too small.
                data.Add("tiny", family, TensorType.Q4_K);
                data.Add("tiny", family, TensorType.Q6_K);
            }

            // The types that are not in common use any more, on one family.
            foreach (TensorType type in (TensorType[])[TensorType.F16, TensorType.Q4_1, TensorType.Q5_0, TensorType.Q5_1])
            {
                data.Add("nano", "llama", type);
            }

            data.Add("tiny", "llama", TensorType.Q5_K);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void In_float32_logits_agree_and_continuations_are_equal(string preset, string family)
    {
        Comparison result = Compare(preset, family, TensorType.F32, KvType.F32);

        Assert.InRange(result.PromptError, 0, FloatTolerance);
        Assert.InRange(result.WorstError, 0, FloatTolerance);
        Assert.Equal(0, result.Partings);
    }

    [Theory]
    [MemberData(nameof(RoundedModels))]
    public void In_other_types_logits_agree_and_continuations_part_only_at_near_ties(string preset, string family, TensorType type)
    {
        Comparison result = Compare(preset, family, type, KvType.F16);

        Assert.InRange(result.PromptError, 0, RoundedTolerance);
        Assert.InRange(result.WidestParting, 0, RoundedTolerance);
    }

    /// <summary>
    /// llama.cpp looks GELU up in a table from half to half precision, ours is exact: that is what Gemma's larger error in float32 comes from.
    /// </summary>
    [Theory]
    [InlineData("gemma2")]
    [InlineData("gemma3")]
    public void Gemma_agrees_further_when_GELU_is_rounded_as_in_llama_cpp(string family)
    {
        string path = models.PathOf("nano", family, TensorType.F32);
        using LlamaCppModel model = LlamaCppLibrary.Load().OpenModel(path);
        using LlamaCppContext theirs = model.CreateContext(ComparedModels.TheirOptions(KvType.F32));
        using ModelRunner rounded = ComparedModels.OpenOurs(path, KvType.F32, new ReferenceBackend { RoundsLikeLlamaCpp = true });
        using ModelRunner exact = ComparedModels.OpenOurs(path, KvType.F32, new ReferenceBackend());
        using ModelRunner ours = ComparedModels.OpenOurs(path, KvType.F32);
        int[] prompt = ComparedModels.Prompt(PromptLength, model.VocabularySize);

        double theirError = Comparison.RelativeError(new RunnerSession(rounded).Evaluate(prompt, 0), theirs.Evaluate(prompt, 0));
        double ourError = Comparison.RelativeError(new RunnerSession(ours).Evaluate(prompt, 0), new RunnerSession(exact).Evaluate(prompt, 0));

        Assert.InRange(theirError, 0, FloatTolerance / 2);
        Assert.InRange(ourError, 0, FloatTolerance / 10);
    }

    [Theory]
    [InlineData("llama", 7)]
    [InlineData("llama", 16)]
    [InlineData("gemma2", 7)]
    [InlineData("gemma2", 100)]
    [InlineData("gemma3", 16)]
    [InlineData("phi3", 1)]
    public void A_prompt_in_chunks_agrees(string family, int chunk)
    {
        string path = models.PathOf("nano", family, TensorType.F32);
        using LlamaCppModel model = LlamaCppLibrary.Load().OpenModel(path);
        using LlamaCppContext theirs = model.CreateContext(ComparedModels.TheirOptions(KvType.F32));
        using ModelRunner ours = ComparedModels.OpenOurs(path, KvType.F32);
        int[] prompt = ComparedModels.Prompt(PromptLength, model.VocabularySize);

        double error = Comparison.RelativeError(new RunnerSession(ours).Evaluate(prompt, 0, chunk: chunk), theirs.Evaluate(prompt, 0));

        Assert.InRange(error, 0, FloatTolerance);
    }

    [Theory]
    [InlineData("llama3")]
    [InlineData("qwen2")]
    [InlineData("gemma3")]
    public void Sequences_of_different_lengths_in_one_batch_agree(string family)
    {
        string path = models.PathOf("tiny", family, TensorType.F32);
        using LlamaCppModel model = LlamaCppLibrary.Load().OpenModel(path);
        using LlamaCppContext theirs = model.CreateContext(ComparedModels.TheirOptions(KvType.F32) with { Sequences = 4, ContextLength = 256 });
        using ModelRunner ours = ComparedModels.OpenOurs(path, KvType.F32);
        int[] lengths = [1, 130, 16, 77];
        int[][] prompts = [.. lengths.Select((length, s) => ComparedModels.Prompt(length, model.VocabularySize, s))];
        var session = new RunnerSession(ours, prompts.Length);
        int[] next = new int[prompts.Length];

        CheckAll(session.EvaluateTogether([.. prompts.Select(prompt => (prompt, 0))]), s => prompts[s], _ => 0);
        CheckAll(session.EvaluateTogether([.. next.Select((token, s) => ((int[])[token], lengths[s]))]), s => [next[s]], s => lengths[s]);

        void CheckAll(ReadOnlySpan<float> rows, Func<int, int[]> tokens, Func<int, int> position)
        {
            for (int s = 0; s < prompts.Length; s++)
            {
                ReadOnlySpan<float> expected = theirs.Evaluate(tokens(s), position(s), s);
                Assert.InRange(Comparison.RelativeError(rows.Slice(s * model.VocabularySize, model.VocabularySize), expected), 0, FloatTolerance);
                next[s] = RunnerSession.IndexOfMax(expected);
            }
        }
    }

    [Theory]
    [InlineData("llama3", 1500, 2048)]
    [InlineData("phi3long", 500, 1024)]
    [InlineData("phi3long", 500, 2048)]
    [InlineData("phi3long", 1500, 2048)]
    public void Rope_scaling_agrees_below_and_beyond_the_original_context(string family, int length, int context)
    {
        string path = models.PathOf("nano", family, TensorType.F32);
        using LlamaCppModel model = LlamaCppLibrary.Load().OpenModel(path);
        using LlamaCppContext theirs = model.CreateContext(ComparedModels.TheirOptions(KvType.F32) with { ContextLength = context });
        using ModelRunner ours = ComparedModels.OpenOurs(path, KvType.F32, contextLength: context);
        int[] prompt = ComparedModels.Prompt(length, model.VocabularySize);

        Comparison result = Comparison.Run(new RunnerSession(ours), theirs, prompt, 8);

        Assert.InRange(result.PromptError, 0, FloatTolerance);
        Assert.Equal(0, result.Partings);
    }

    private Comparison Compare(string preset, string family, TensorType type, KvType kvType)
    {
        string path = models.PathOf(preset, family, type);
        using LlamaCppModel model = LlamaCppLibrary.Load().OpenModel(path);
        using LlamaCppContext theirs = model.CreateContext(ComparedModels.TheirOptions(kvType));
        using ModelRunner ours = ComparedModels.OpenOurs(path, kvType);
        Comparison result = Comparison.Run(new RunnerSession(ours), theirs, ComparedModels.Prompt(PromptLength, model.VocabularySize), Steps);
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{preset} {family} {type}: after the prompt {result.PromptError:E1}, worst step {result.WorstError:E1}, {result.Partings} partings, at most {result.WidestParting:E1} wide"));
        return result;
    }
}
