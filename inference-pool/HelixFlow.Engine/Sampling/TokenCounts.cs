using System.Numerics;

namespace HelixFlow.Engine.Sampling;

/// <summary>Which tokens a sequence has, and how often each was generated: an open-addressing table that allocates only when it grows.</summary>
internal sealed class TokenCounts
{
    private Entry[] _entries; // power of two, at most half full
    private int _count;

    public TokenCounts(int expected) => _entries = new Entry[BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, expected * 2))];

    private TokenCounts(TokenCounts other)
    {
        _entries = (Entry[])other._entries.Clone();
        _count = other._count;
    }

    public TokenCounts Clone() => new(this);

    public void AddPrompt(int token) => Find(token).Key = token + 1;

    public void AddGenerated(int token) => Find(token).Generated++;

    /// <summary>Changes the logits of the tokens seen: repetition first, then presence and frequency.</summary>
    public void ApplyPenalties(Span<float> logits, SamplingOptions options)
    {
        foreach (ref readonly Entry entry in _entries.AsSpan())
        {
            if (entry.Key == 0)
            {
                continue;
            }

            ref float logit = ref logits[entry.Key - 1];
            logit = logit > 0 ? logit / options.RepetitionPenalty : logit * options.RepetitionPenalty;
            if (entry.Generated > 0)
            {
                logit -= options.PresencePenalty + (options.FrequencyPenalty * entry.Generated);
            }
        }
    }

    /// <summary>The token's entry, added when it is new.</summary>
    private ref Entry Find(int token)
    {
        if (_count * 2 >= _entries.Length)
        {
            Grow();
        }

        int mask = _entries.Length - 1;
        int slot = (int)((uint)token * 0x9E3779B9u) & mask;
        while (_entries[slot].Key != 0 && _entries[slot].Key != token + 1)
        {
            slot = (slot + 1) & mask;
        }

        if (_entries[slot].Key == 0)
        {
            _entries[slot].Key = token + 1;
            _count++;
        }

        return ref _entries[slot];
    }

    private void Grow()
    {
        Entry[] old = _entries;
        _entries = new Entry[old.Length * 2];
        _count = 0;
        foreach (Entry entry in old)
        {
            if (entry.Key != 0)
            {
                Find(entry.Key - 1).Generated = entry.Generated;
            }
        }
    }

    /// <summary>Key is the token + 1, so that a fresh table is empty.</summary>
    private struct Entry
    {
        public int Key;
        public int Generated;
    }
}
