using System.Globalization;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu;
using HelixFlow.Engine.Models;
using HelixFlow.Engine.Sampling;
using HelixFlow.LlamaCpp;

namespace HelixFlow.Benchmarks.Dispatch;

/// <summary>Decodes one sequence here and in llama.cpp, in turns.</summary>
internal sealed class DecodeRace : IDisposable
{
    private const int Prompt = 16;
    private const int Tokens = 24;
    private const int BlockSize = 16;

    private readonly ModelRunner _runner;
    private readonly LlamaCppModel _peer;
    private readonly int _threads;
    private readonly Batch _batch = new(512, 1);
    private readonly int[] _blocks = [.. Enumerable.Range(0, (Prompt + Tokens + BlockSize) / BlockSize)];

    public DecodeRace(string path, int threads)
    {
        var backend = new CpuBackend(new CpuBackendOptions { Threads = threads });
        _runner = new ModelRunner(ModelFile.Open(path), backend, new ModelRunnerOptions { KvBlocks = _blocks.Length, KvBlockSize = BlockSize });
        _peer = LlamaCppLibrary.Load().OpenModel(path);
        _threads = threads;
        DecodeHere();
        DecodeThere();
    }

    public void Run(int[] neighbours, int rounds)
    {
        Console.WriteLine("neighbours  decode tok/s   best  median   llama.cpp best  median   ratio of medians");
        foreach (int count in neighbours)
        {
            using var busy = new Neighbours(count);
            double[] ours = new double[rounds];
            double[] theirs = new double[rounds];
            for (int round = 0; round < rounds; round++)
            {
                ours[round] = DecodeHere();
                theirs[round] = DecodeThere();
            }

            Array.Sort(ours);
            Array.Sort(theirs);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{count,10}               {ours[^1],6:F1}  {ours[rounds / 2],6:F1}           {theirs[^1],6:F1}  {theirs[rounds / 2],6:F1}   {ours[rounds / 2] / theirs[rounds / 2],6:F2}"));
        }
    }

    public void Dispose()
    {
        _peer.Dispose();
        _runner.Dispose();
    }

    private static int[] PromptTokens() => [.. Enumerable.Range(0, Prompt).Select(i => 100 + (i * 79))];

    private double DecodeHere()
    {
        int next = Step(PromptTokens(), 0);
        return Rate(position => next = Step([next], position));

        int Step(int[] tokens, int position)
        {
            _batch.Clear();
            _batch.Add(tokens, position, _blocks, wantLogits: true);
            return Best(_runner.Run(_batch));
        }
    }

    private double DecodeThere()
    {
        using LlamaCppContext context = _peer.CreateContext(new LlamaCppContextOptions { ContextLength = Prompt + Tokens + 8, Threads = _threads });
        int next = Best(context.Evaluate(PromptTokens(), 0));
        return Rate(position => next = Best(context.Evaluate([next], position)));
    }

    private static int Best(ReadOnlySpan<float> logits) => RowMath.IndexOf(logits, RowMath.MaxOrNan(logits));

    private static double Rate(Action<int> step)
    {
        long start = TimeProvider.System.GetTimestamp();
        for (int i = 0; i < Tokens; i++)
        {
            step(Prompt + i);
        }

        return Tokens / TimeProvider.System.GetElapsedTime(start).TotalSeconds;
    }
}
