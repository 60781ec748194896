using System.Diagnostics;

namespace HelixFlow.Engine.Cpu.Threads;

/// <summary>Cuts a run of units into chunks for a team: big ones first, so that memory is read in long runs, small ones last, so that all workers end together.</summary>
/// <remarks>
/// Every round gives half of what is left to the team, one chunk for each worker ("factoring"; Hummel, Schonberg and Flynn 1992). Boundaries
/// depend on the arguments alone, never on who takes which chunk. Reused from call to call; used by the engine thread, read by its team.
/// </remarks>
internal sealed class ChunkPlan
{
    private int[] _ends = new int[64];

    /// <summary>Chunks of the latest cut.</summary>
    public int Count { get; private set; }

    /// <summary>The units of a chunk.</summary>
    public (int First, int End) this[int chunk] => (chunk == 0 ? 0 : _ends[chunk - 1], _ends[chunk]);

    /// <summary>Cuts anew.</summary>
    /// <param name="units">Units to share; 0 gives no chunks.</param>
    /// <param name="workers">The team's size.</param>
    /// <param name="smallest">Units of the smallest chunk: so much work that taking it costs little beside; only the last may be smaller.</param>
    /// <param name="largest">Units of the largest chunk; at least <paramref name="smallest"/>.</param>
    public void Cut(int units, int workers, int smallest, int largest)
    {
        Debug.Assert(smallest >= 1 && largest >= smallest, "a chunk has units");
        Count = 0;
        int end = 0;
        while (end < units)
        {
            int size = Math.Clamp((units - end) / (2 * workers), smallest, largest);
            for (int worker = 0; worker < workers && end < units; worker++)
            {
                end = Math.Min(end + size, units);
                Add(end);
            }
        }
    }

    private void Add(int end)
    {
        if (Count == _ends.Length)
        {
            Array.Resize(ref _ends, 2 * Count);
        }

        _ends[Count++] = end;
    }
}
