using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Cli.Bench.Engines;

/// <summary>What an engine is given room for before it is measured.</summary>
/// <param name="Sequences">The most sequences that decode together.</param>
/// <param name="Length">The most tokens of each, prompt and output together.</param>
/// <param name="Threads">Worker threads.</param>
/// <param name="KvType">How our engine stores keys and values; the peer takes f16.</param>
/// <param name="Quantize">What our engine rounds float weights to; null for nothing.</param>
internal sealed record EngineRoom(int Sequences, int Length, int Threads, KvType KvType = KvType.F16, TensorType? Quantize = null)
{
    public CpuBackendOptions Backend => new() { Threads = Threads, Quantize = Quantize };
}
