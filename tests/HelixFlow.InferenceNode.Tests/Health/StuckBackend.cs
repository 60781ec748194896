using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.InferenceNode.Tests.Health;

/// <summary>A device whose next operation does not return for as long as a test says so.</summary>
internal sealed class StuckBackend(IBackend inner) : IBackend
{
    private readonly ManualResetEventSlim _free = new(initialState: true);
    private long _steps;

    /// <summary>Completes when the engine's thread is stuck.</summary>
    public TaskCompletionSource Stuck { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The number of steps after which the next one does not return, as if <see cref="Stick"/> had been called just before it.</summary>
    public long StickAt { get; set; } = long.MaxValue;

    /// <summary>Steps that the engine has begun.</summary>
    public long Steps => Volatile.Read(ref _steps);

    public string Description => inner.Description;

    public void Stick() => _free.Reset();

    public void Free() => _free.Set();

    public DeviceWeight LoadMatrix(StoredTensor tensor) => inner.LoadMatrix(tensor);

    public DeviceWeight LoadTable(StoredTensor tensor) => inner.LoadTable(tensor);

    public DeviceWeight LoadVector(StoredTensor tensor, float add = 0) => inner.LoadVector(tensor, add);

    public DeviceTensor Allocate(int maxRows, int columns) => inner.Allocate(maxRows, columns);

    public DeviceKvStore AllocateKv(KvLayout layout) => inner.AllocateKv(layout);

    public void Embed(DeviceWeight table, ReadOnlySpan<int> tokens, float scale, DeviceTensor output, bool accumulate = false)
    {
        if (Steps == StickAt)
        {
            StickAt = long.MaxValue;
            _free.Reset();
        }

        if (!_free.IsSet)
        {
            Stuck.TrySetResult();
            _free.Wait();
        }

        Interlocked.Increment(ref _steps);
        inner.Embed(table, tokens, scale, output, accumulate);
    }

    public void RmsNorm(DeviceTensor input, DeviceWeight weight, float epsilon, DeviceTensor output) => inner.RmsNorm(input, weight, epsilon, output);

    public void LayerNorm(DeviceTensor input, DeviceWeight weight, DeviceWeight bias, float epsilon, DeviceTensor output) =>
        inner.LayerNorm(input, weight, bias, epsilon, output);

    public void Activate(DeviceTensor x, Activation activation) => inner.Activate(x, activation);

    public void Linear(DeviceTensor input, DeviceWeight weight, DeviceWeight? bias, DeviceTensor output, bool accumulate = false) =>
        inner.Linear(input, weight, bias, output, accumulate);

    public void RopeAndStore(DeviceTensor query, DeviceTensor key, DeviceTensor value, Rope rope, DeviceKvStore kv, int layer, Batch batch) =>
        inner.RopeAndStore(query, key, value, rope, kv, layer, batch);

    public void Attention(DeviceTensor query, DeviceKvStore kv, int layer, Batch batch, in AttentionParameters parameters, DeviceTensor output) =>
        inner.Attention(query, kv, layer, batch, parameters, output);

    public void Project(in NormedRows input, ReadOnlySpan<Projection> projections) => inner.Project(input, projections);

    public void ProjectGated(in NormedRows input, in Projection gate, in Projection up, Activation activation) =>
        inner.ProjectGated(input, gate, up, activation);

    public void AddNormed(DeviceTensor accumulator, DeviceTensor addend, DeviceWeight norm, float epsilon) =>
        inner.AddNormed(accumulator, addend, norm, epsilon);

    public void ScaleAndCap(DeviceTensor x, float scale, float cap) => inner.ScaleAndCap(x, scale, cap);

    public void Gather(DeviceTensor input, ReadOnlySpan<int> rows, DeviceTensor output) => inner.Gather(input, rows, output);

    public void CopyBlock(DeviceKvStore kv, int source, int destination) => inner.CopyBlock(kv, source, destination);

    public ReadOnlySpan<float> Read(DeviceTensor tensor) => inner.Read(tensor);

    public void Dispose()
    {
        inner.Dispose();
        _free.Dispose();
    }
}
