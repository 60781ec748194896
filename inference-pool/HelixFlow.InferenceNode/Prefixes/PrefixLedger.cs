using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Prefixes;

/// <summary>The prompt blocks whose keys and values this node's engines are likely to hold, for gateways to route by.</summary>
/// <remarks>
/// Thread-safe. The engines cache by token blocks and evict the least recently used; this follows them in the gateways' units (blocks of 256
/// bytes, see <see cref="PromptChain"/>) with the same rule and, by a rough number of tokens per block, the same capacity. It only guides
/// routing: what is reused is decided by the engine, token by token.
/// </remarks>
internal sealed class PrefixLedger
{
    private const int TokensPerBlock = PromptChain.BlockBytes / 4;
    private const int LongestLog = 8192;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, ModelPrefixes> _models = new(StringComparer.Ordinal);
    private readonly Queue<(ulong Hash, bool Added)> _log = new();
    private long _logStart; // the number of the log's first change
    private long _changes;

    /// <summary>A prompt of a model was computed.</summary>
    /// <param name="model">The model.</param>
    /// <param name="chain">Its prompt's chain.</param>
    /// <param name="kvTokens">Tokens that the model's key/value store holds.</param>
    public void Add(string model, ReadOnlySpan<ulong> chain, long kvTokens)
    {
        lock (_lock)
        {
            if (!_models.TryGetValue(model, out ModelPrefixes? prefixes))
            {
                _models.Add(model, prefixes = new ModelPrefixes());
            }

            // From the end: the chain's beginning is then the most recently used, as in the engine, and is given up last.
            for (int i = chain.Length - 1; i >= 0; i--)
            {
                if (prefixes.Touch(chain[i]))
                {
                    Record(chain[i], added: true);
                }
            }

            long capacity = Math.Max(1, kvTokens / TokensPerBlock);
            while (prefixes.Count > capacity)
            {
                Record(prefixes.RemoveOldest(), added: false);
            }
        }
    }

    /// <summary>A model was unloaded: nothing of it is left.</summary>
    public void Forget(string model)
    {
        lock (_lock)
        {
            if (_models.Remove(model, out ModelPrefixes? prefixes))
            {
                while (prefixes.Count > 0)
                {
                    Record(prefixes.RemoveOldest(), added: false);
                }
            }
        }
    }

    /// <summary>What has changed since a watcher's last look, or all there is for one that looks for the first time or has missed too much.</summary>
    /// <param name="seen">0 at first; set to what the next call takes.</param>
    public PrefixDigest Read(ref long seen)
    {
        lock (_lock)
        {
            var digest = new PrefixDigest { Full = seen == 0 || seen - 1 < _logStart };
            if (digest.Full)
            {
                foreach (ModelPrefixes prefixes in _models.Values)
                {
                    digest.Added.AddRange(prefixes.LatestFirst);
                }
            }
            else
            {
                // The last change of a hash counts.
                var last = new OrderedDictionary<ulong, bool>();
                long number = _logStart;
                foreach ((ulong hash, bool added) in _log)
                {
                    if (number++ >= seen - 1)
                    {
                        last.Remove(hash);
                        last.Add(hash, added);
                    }
                }

                foreach ((ulong hash, bool added) in last.Reverse()) // latest first, as in a full digest
                {
                    (added ? digest.Added : digest.Removed).Add(hash);
                }
            }

            seen = _changes + 1;
            return digest;
        }
    }

    private void Record(ulong hash, bool added)
    {
        _changes++;
        _log.Enqueue((hash, added));
        if (_log.Count > LongestLog)
        {
            _log.Dequeue();
            _logStart++;
        }
    }

    /// <summary>One model's hashes, least recently used first.</summary>
    private sealed class ModelPrefixes
    {
        private readonly LinkedList<ulong> _byUse = new();
        private readonly Dictionary<ulong, LinkedListNode<ulong>> _nodes = [];

        public int Count => _nodes.Count;

        /// <summary>The most recently used first, and so of every chain its first block first.</summary>
        public IEnumerable<ulong> LatestFirst => _byUse.Reverse();

        /// <summary>Makes it the most recently used; true when it was not there.</summary>
        public bool Touch(ulong hash)
        {
            if (_nodes.TryGetValue(hash, out LinkedListNode<ulong>? node))
            {
                _byUse.Remove(node);
                _byUse.AddLast(node);
                return false;
            }

            _nodes.Add(hash, _byUse.AddLast(hash));
            return true;
        }

        public ulong RemoveOldest()
        {
            ulong oldest = _byUse.First!.Value;
            _byUse.RemoveFirst();
            _nodes.Remove(oldest);
            return oldest;
        }
    }
}
