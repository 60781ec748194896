namespace HelixFlow.Gateway.Idempotency;

/// <summary>What a request finds under its idempotency key.</summary>
internal enum IdempotencyOutcome
{
    /// <summary>Nothing: the request is to be carried out, and its end told.</summary>
    Begun,

    /// <summary>The same request's answer.</summary>
    Answered,

    /// <summary>The same request, which is being carried out.</summary>
    InFlight,

    /// <summary>Another request.</summary>
    Mismatch,
}

/// <summary>Whose key it is, for which path, and what the client called it.</summary>
internal readonly record struct IdempotencyName(string Project, string Path, string Key);

/// <summary>The requests that came with an idempotency key: in flight, or answered not long ago. Thread-safe.</summary>
/// <remarks>
/// Memory is bounded: the oldest answers make room for new ones. An answer that is gone, for its age or for room, is forgotten, and the same
/// request is carried out again. It is not kept over a restart.
/// </remarks>
internal sealed class IdempotentRequests(GatewayOptions options, TimeProvider time)
{
    /// <summary>Largest answer that is kept, in bytes.</summary>
    public const int MostAnswerBytes = 4 << 20;

    // What an entry takes beside its body, roughly; bounds the number of small ones.
    private const int EntryBytes = 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<IdempotencyName, Entry> _entries = [];
    private readonly LinkedList<Entry> _answered = []; // oldest first
    private long _bytes;

    /// <summary>Begins a request, unless there is one of its name already.</summary>
    /// <param name="name">What it is kept under.</param>
    /// <param name="fingerprint">A hash of its body.</param>
    /// <param name="answer">The answer, when there is one.</param>
    public IdempotencyOutcome Begin(IdempotencyName name, ReadOnlySpan<byte> fingerprint, out RecordedAnswer? answer)
    {
        answer = null;
        lock (_lock)
        {
            Forget_NeedsLock();
            if (!_entries.TryGetValue(name, out Entry? entry))
            {
                _entries.Add(name, new Entry(name, fingerprint.ToArray()));
                return IdempotencyOutcome.Begun;
            }

            answer = entry.Answer;
            return !fingerprint.SequenceEqual(entry.Fingerprint) ? IdempotencyOutcome.Mismatch
                : answer is null ? IdempotencyOutcome.InFlight
                : IdempotencyOutcome.Answered;
        }
    }

    /// <summary>Ends a request that was begun; without an answer, as if it had never been made.</summary>
    public void End(IdempotencyName name, RecordedAnswer? answer)
    {
        lock (_lock)
        {
            Entry entry = _entries[name];
            if (answer is null)
            {
                _entries.Remove(name);
                return;
            }

            entry.Answer = answer;
            entry.AnsweredAt = time.GetTimestamp();
            _answered.AddLast(entry);
            _bytes += entry.Bytes;
            Forget_NeedsLock();
        }
    }

    private void Forget_NeedsLock()
    {
        while (_answered.First?.Value is { } oldest
            && (_bytes > options.IdempotencyBytes || time.GetElapsedTime(oldest.AnsweredAt) >= options.IdempotencyLifetime))
        {
            _answered.RemoveFirst();
            _entries.Remove(oldest.Name);
            _bytes -= oldest.Bytes;
        }
    }

    private sealed class Entry(IdempotencyName name, byte[] fingerprint)
    {
        public IdempotencyName Name { get; } = name;

        public byte[] Fingerprint { get; } = fingerprint;

        public RecordedAnswer? Answer { get; set; }

        public long AnsweredAt { get; set; }

        public long Bytes => EntryBytes + Answer!.Body.Length;
    }
}
