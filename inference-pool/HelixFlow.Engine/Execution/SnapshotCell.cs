namespace HelixFlow.Engine.Execution;

/// <summary>A value that one thread writes and any thread reads without a lock: a sequence lock.</summary>
internal sealed class SnapshotCell
{
    private EngineSnapshot _value;
    private int _version; // odd while it is being written

    public void Write(in EngineSnapshot value)
    {
        _version++;
        Interlocked.MemoryBarrier();
        _value = value;
        Interlocked.MemoryBarrier();
        _version++;
    }

    public EngineSnapshot Read()
    {
        var spin = default(SpinWait);
        while (true)
        {
            int before = Volatile.Read(ref _version);
            EngineSnapshot value = _value;
            Interlocked.MemoryBarrier();
            if ((before & 1) == 0 && before == Volatile.Read(ref _version))
            {
                return value;
            }

            spin.SpinOnce();
        }
    }
}
