using System.Diagnostics;

namespace HelixFlow.Engine.Sampling;

/// <summary>What sampling one choice remembers from token to token. Survives preemption: nothing in it depends on the key/value store.</summary>
internal sealed class SamplerState
{
    private readonly long _seed;
    private readonly int _choice;
    private readonly TokenCounts? _counts;
    private readonly KeyValuePair<int, float>[] _bias;
    private int _generated;

    public SamplerState(SamplingOptions options, long seed, ReadOnlySpan<int> prompt)
    {
        Options = options;
        _seed = seed;
        _bias = options.LogitBias is { Count: > 0 } bias ? [.. bias] : [];
        if (options.CountsOutput)
        {
            _counts = new TokenCounts(options.CountsPrompt ? prompt.Length : 0);
            foreach (int token in options.CountsPrompt ? prompt : [])
            {
                _counts.AddPrompt(token);
            }
        }
    }

    private SamplerState(SamplerState other, int choice)
    {
        Options = other.Options;
        _seed = other._seed;
        _choice = choice;
        _bias = other._bias;
        _counts = other._counts?.Clone();
    }

    public SamplingOptions Options { get; }

    /// <summary>The state of another choice of the same prompt, before its first token.</summary>
    public SamplerState ForChoice(int choice)
    {
        Debug.Assert(_generated == 0);
        return new SamplerState(this, choice);
    }

    /// <summary>Notes a sampled token.</summary>
    public void Accept(int token)
    {
        _generated++;
        _counts?.AddGenerated(token);
    }

    /// <summary>The random number for the next token, in [0, 1).</summary>
    public double NextUnit() => CounterRandom.NextUnit(_seed, _choice, _generated);

    public void ChangeLogits(Span<float> logits)
    {
        _counts?.ApplyPenalties(logits, Options);
        foreach ((int token, float bias) in _bias)
        {
            logits[token] += bias;
        }
    }
}
