namespace HelixFlow.Cluster.Tests;

/// <summary>Repeats a scenario until it has met what it is about.</summary>
/// <remarks>
/// Nothing can make streams still run at the moment when a test does something to their node: the machine decides which process computes when. So a
/// scenario checks in every round all that has to hold in any case, and says whether its disturbance has met a running stream.
/// </remarks>
internal static class Hit
{
    private const int Rounds = 10;

    /// <summary>Runs rounds until one says that it was met, and fails when none does.</summary>
    public static async Task OnceAsync(Func<Task<bool>> round)
    {
        for (int i = 0; i < Rounds; i++)
        {
            if (await round())
            {
                return;
            }
        }

        Assert.Fail($"In {Rounds} rounds no running stream was met.");
    }
}
