namespace HelixFlow.TestKit.Measures;

/// <summary>What work allocates on the calling thread.</summary>
public static class ThreadAllocations
{
    private const int Rounds = 20;

    /// <summary>The least that one of many rounds allocated, in bytes.</summary>
    /// <remarks>
    /// The runtime counts on its own account, too: when another thread starts a collection in the midst of a round, or when it exchanges the round's
    /// code for faster code. It does not do so in every round; what the work allocates, it allocates in all of them.
    /// </remarks>
    /// <param name="work">Done in each round; what it needs is to be there before, so that rounds are alike.</param>
    public static long Least(Action work) => Least(static () => { }, work);

    /// <summary>As <see cref="Least(Action)"/>, with something to prepare before each round that does not count.</summary>
    /// <param name="prepare">Makes the rounds alike.</param>
    /// <param name="work">Done in each round.</param>
    public static long Least(Action prepare, Action work)
    {
        ArgumentNullException.ThrowIfNull(prepare);
        ArgumentNullException.ThrowIfNull(work);
        long least = long.MaxValue;
        for (int round = 0; round < Rounds && least > 0; round++)
        {
            prepare();
            long before = GC.GetAllocatedBytesForCurrentThread();
            work();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
