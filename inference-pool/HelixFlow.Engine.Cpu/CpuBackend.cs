using System.Runtime.Intrinsics.X86;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu;

/// <summary>The backend operations on a processor's own units.</summary>
/// <remarks>
/// F32, F16 and BF16 weights are used where they lie in the mapped file, and multiplied in float32. Quantised ones are repacked when they are
/// loaded (<see cref="QuantizedMatrix"/>), and multiplied with activations rounded to 8 bits.
/// </remarks>
public sealed unsafe class CpuBackend : IBackend
{
    private readonly WorkerPool _pool;
    private readonly LinearWork _linear = new();
    private readonly RopeWork _rope = new();
    private readonly AttentionWork _attention = new();
    private readonly RowWork _rows = new();

    public CpuBackend(CpuBackendOptions options)
    {
        _pool = new WorkerPool(options.Threads);
        string units = AvxVnni.IsSupported ? "AVX-VNNI" : Avx2.IsSupported ? "AVX2" : "portable";
        Description = $"cpu ({units}, {options.Threads} threads)";
    }

    /// <inheritdoc/>
    public string Description { get; }

    /// <inheritdoc/>
    public DeviceWeight LoadMatrix(StoredTensor tensor) =>
        tensor.Type.BlockElements() == 1 ? new MappedWeight(tensor) : new QuantizedMatrix(tensor, _pool);

    /// <inheritdoc/>
    public DeviceWeight LoadTable(StoredTensor tensor) => new MappedWeight(tensor);

    /// <inheritdoc/>
    public DeviceWeight LoadVector(StoredTensor tensor, float add = 0) => new VectorWeight(tensor, add);

    /// <inheritdoc/>
    public DeviceTensor Allocate(int maxRows, int columns) => new CpuTensor(maxRows, columns);

    /// <inheritdoc/>
    public DeviceKvStore AllocateKv(KvLayout layout) => new CpuKvStore(layout);

    /// <inheritdoc/>
    public void Embed(DeviceWeight table, ReadOnlySpan<int> tokens, float scale, DeviceTensor output)
    {
        var target = (CpuTensor)output;
        target.Rows = tokens.Length;
        for (int i = 0; i < tokens.Length; i++)
        {
            var row = new Span<float>(target.Row(i), target.Columns);
            ((MappedWeight)table).ReadRow(tokens[i], row);
            if (scale != 1)
            {
                foreach (ref float value in row)
                {
                    value *= scale;
                }
            }
        }
    }

    /// <inheritdoc/>
    public void RmsNorm(DeviceTensor input, DeviceWeight weight, float epsilon, DeviceTensor output) =>
        _rows.RmsNorm(_pool, (CpuTensor)input, (VectorWeight)weight, epsilon, (CpuTensor)output);

    /// <inheritdoc/>
    public void Linear(DeviceTensor input, DeviceWeight weight, DeviceWeight? bias, DeviceTensor output, bool accumulate = false) =>
        _linear.Run(_pool, (CpuTensor)input, weight, (VectorWeight?)bias, (CpuTensor)output, accumulate);

    /// <inheritdoc/>
    public void RopeAndStore(DeviceTensor query, DeviceTensor key, DeviceTensor value, Rope rope, DeviceKvStore kv, int layer, Batch batch) =>
        _rope.Run(_pool, (CpuTensor)query, (CpuTensor)key, (CpuTensor)value, rope, (CpuKvStore)kv, layer, batch);

    /// <inheritdoc/>
    public void Attention(DeviceTensor query, DeviceKvStore kv, int layer, Batch batch, in AttentionParameters parameters, DeviceTensor output) =>
        _attention.Run(_pool, (CpuTensor)query, (CpuKvStore)kv, layer, batch, parameters, (CpuTensor)output);

    /// <inheritdoc/>
    public void GatedActivation(DeviceTensor gate, DeviceTensor up, Activation activation) =>
        _rows.GatedActivation(_pool, (CpuTensor)gate, (CpuTensor)up, activation);

    /// <inheritdoc/>
    public void Add(DeviceTensor accumulator, DeviceTensor addend) => _rows.Add(_pool, (CpuTensor)accumulator, (CpuTensor)addend);

    /// <inheritdoc/>
    public void ScaleAndCap(DeviceTensor x, float scale, float cap) => _rows.ScaleAndCap(_pool, (CpuTensor)x, scale, cap);

    /// <inheritdoc/>
    public void Gather(DeviceTensor input, ReadOnlySpan<int> rows, DeviceTensor output)
    {
        var source = (CpuTensor)input;
        var target = (CpuTensor)output;
        target.Rows = rows.Length;
        for (int i = 0; i < rows.Length; i++)
        {
            new ReadOnlySpan<float>(source.Row(rows[i]), source.Columns).CopyTo(new Span<float>(target.Row(i), target.Columns));
        }
    }

    /// <inheritdoc/>
    public void CopyBlock(DeviceKvStore kv, int source, int destination)
    {
        var store = (CpuKvStore)kv;
        for (int layer = 0; layer < kv.Layout.Layers; layer++)
        {
            long from = store.Offset(layer, source, 0);
            long to = store.Offset(layer, destination, 0);
            Buffer.MemoryCopy(store.Keys + from, store.Keys + to, store.LayerBlockBytes, store.LayerBlockBytes);
            Buffer.MemoryCopy(store.Values + from, store.Values + to, store.LayerBlockBytes, store.LayerBlockBytes);
        }
    }

    /// <inheritdoc/>
    public ReadOnlySpan<float> Read(DeviceTensor tensor)
    {
        var source = (CpuTensor)tensor;
        return new ReadOnlySpan<float>(source.Data, checked(source.Rows * source.Columns));
    }

    public void Dispose()
    {
        _pool.Dispose();
        _linear.Dispose();
        _attention.Dispose();
    }
}
