using HelixFlow.LlamaCpp;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Cpu.Tests.LlamaCpp;

/// <summary>What came out of running the same tokens on both sides.</summary>
/// <param name="PromptError">Relative error of the logits after the prompt.</param>
/// <param name="WorstError">The largest relative error of the steps after it.</param>
/// <param name="Partings">Steps whose best tokens differ.</param>
/// <param name="WidestParting">At such a step, how much better the other side's token is there than ours, relative to its logit.</param>
internal readonly record struct Comparison(double PromptError, double WorstError, int Partings, double WidestParting)
{
    /// <summary>
    /// Runs a prompt and a greedy continuation. The other side's token is fed to both, so that a parting at one step does not hide the rest.
    /// </summary>
    public static Comparison Run(RunnerSession ours, LlamaCppContext theirs, int[] prompt, int steps)
    {
        ReadOnlySpan<float> a = ours.Evaluate(prompt, 0);
        ReadOnlySpan<float> b = theirs.Evaluate(prompt, 0);
        double promptError = RelativeError(a, b);
        double worst = 0;
        int partings = 0;
        double widest = 0;
        for (int i = 0; i < steps; i++)
        {
            int ourToken = RunnerSession.IndexOfMax(a);
            int token = RunnerSession.IndexOfMax(b);
            if (ourToken != token)
            {
                partings++;
                widest = Math.Max(widest, (b[token] - b[ourToken]) / Math.Abs(b[token]));
            }

            if (i < steps - 1)
            {
                a = ours.Evaluate([token], prompt.Length + i);
                b = theirs.Evaluate([token], prompt.Length + i);
                worst = Math.Max(worst, RelativeError(a, b));
            }
        }

        return new Comparison(promptError, worst, partings, widest);
    }

    /// <summary>||a - b|| / ||b||.</summary>
    public static double RelativeError(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Assert.Equal(b.Length, a.Length);
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < a.Length; i++)
        {
            double d = (double)a[i] - b[i];
            difference += d * d;
            norm += (double)b[i] * b[i];
        }

        return Math.Sqrt(difference / norm);
    }
}
