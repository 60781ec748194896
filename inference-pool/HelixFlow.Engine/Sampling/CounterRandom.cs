namespace HelixFlow.Engine.Sampling;

/// <summary>Random numbers that are a function of a seed and a counter: Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as
/// 1, 2, 3" (2011).</summary>
/// <remarks>There is no state to lose, so a token's random number is the same whatever else ran before it and however often it is recomputed.</remarks>
internal static class CounterRandom
{
    private const int Rounds = 10;

    /// <summary>A number in [0, 1) with 53 random bits for the token at this index of this choice.</summary>
    public static double NextUnit(long seed, int choice, int index)
    {
        (uint x, uint y, _, _) = Philox((uint)index, (uint)choice, 0, 0, (uint)seed, (uint)((ulong)seed >> 32));
        return ((((ulong)x << 32) | y) >> 11) * (1.0 / (1UL << 53));
    }

    internal static (uint X, uint Y, uint Z, uint W) Philox(uint x, uint y, uint z, uint w, uint key0, uint key1)
    {
        for (int round = 0; round < Rounds; round++)
        {
            ulong left = 0xD2511F53UL * x;
            ulong right = 0xCD9E8D57UL * z;
            (x, y, z, w) = ((uint)(right >> 32) ^ y ^ key0, (uint)right, (uint)(left >> 32) ^ w ^ key1, (uint)left);
            key0 += 0x9E3779B9;
            key1 += 0xBB67AE85;
        }

        return (x, y, z, w);
    }
}
