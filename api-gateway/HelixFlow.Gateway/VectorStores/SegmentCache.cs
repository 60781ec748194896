namespace HelixFlow.Gateway.VectorStores;

/// <summary>Keeps the vectors of files in memory up to a number of bytes; those that were not used for longest go first. Thread-safe.</summary>
/// <remarks>A file's vectors never change once it is completed, and a file that is added again has a new number: nothing here is ever stale.</remarks>
internal sealed class SegmentCache(long maxBytes)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<long, LinkedListNode<(long File, VectorSegment Segment)>> _byFile = [];
    private readonly LinkedList<(long File, VectorSegment Segment)> _byUse = new(); // the latest first

    /// <summary>What is held.</summary>
    public long SizeBytes { get; private set; }

    public VectorSegment? Find(long file)
    {
        lock (_lock)
        {
            if (!_byFile.TryGetValue(file, out LinkedListNode<(long File, VectorSegment Segment)>? node))
            {
                return null;
            }

            _byUse.Remove(node);
            _byUse.AddFirst(node);
            return node.Value.Segment;
        }
    }

    public void Add(long file, VectorSegment segment)
    {
        lock (_lock)
        {
            if (segment.SizeBytes > maxBytes || _byFile.ContainsKey(file))
            {
                return;
            }

            _byFile.Add(file, _byUse.AddFirst((file, segment)));
            SizeBytes += segment.SizeBytes;
            while (SizeBytes > maxBytes)
            {
                (long oldest, VectorSegment dropped) = _byUse.Last!.Value;
                _byUse.RemoveLast();
                _byFile.Remove(oldest);
                SizeBytes -= dropped.SizeBytes;
            }
        }
    }
}
