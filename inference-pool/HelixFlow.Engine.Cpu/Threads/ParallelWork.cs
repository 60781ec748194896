namespace HelixFlow.Engine.Cpu.Threads;

/// <summary>Work that can be cut into chunks; one instance is reused for all calls of its operation.</summary>
internal abstract class ParallelWork
{
    /// <summary>Does one chunk. Chunks run in any order, on any worker, and must not depend on each other.</summary>
    /// <param name="chunk">The chunk, from 0.</param>
    /// <param name="worker">The worker, 0 to the team's size - 1, for scratch memory of its own.</param>
    public abstract void Run(int chunk, int worker);
}
