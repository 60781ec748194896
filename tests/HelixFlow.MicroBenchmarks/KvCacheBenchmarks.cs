using BenchmarkDotNet.Attributes;
using HelixFlow.Engine.KvCache;

namespace HelixFlow.MicroBenchmarks;

/// <summary>Accounts of the paged key/value store: blocks of 16 positions, 4,096 of them.</summary>
[MemoryDiagnoser]
public class KvCacheBenchmarks
{
    private const int BlockSize = 16;
    private const int Blocks = 4096;

    private BlockPool _pool = null!;
    private int[] _tokens = [];

    [Params(128, 2048)]
    public int Prompt { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        _pool = new BlockPool(Blocks, BlockSize);
        _tokens = [.. Enumerable.Range(0, Prompt).Select(i => i * 7919 % 32_000)];
        var first = new BlockTable("");
        first.Reserve(_pool, 0, Prompt, out _);
        first.RegisterWhole(_pool, _tokens, Prompt);
        first.Clear(_pool);
    }

    [Benchmark(Description = "a new prompt: reserve, give back")]
    public int Reserve()
    {
        var table = new BlockTable("other");
        table.Reserve(_pool, 0, Prompt, out _);
        int count = table.Count;
        table.Clear(_pool);
        return count;
    }

    [Benchmark(Description = "a cached prompt: find its blocks, give back")]
    public int Reuse()
    {
        var table = new BlockTable("");
        int reused = table.Reuse(_pool, _tokens);
        table.Clear(_pool);
        return reused;
    }
}
