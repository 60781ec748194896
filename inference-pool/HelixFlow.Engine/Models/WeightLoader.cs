using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Models;

/// <summary>Finds a model's weights by name, checks their shapes and brings them to their target. Owns what it loaded.</summary>
internal sealed class WeightLoader(ModelFile model, IWeightTarget target, IProgress<double>? progress) : IDisposable
{
    private readonly Stack<DeviceWeight> _loaded = new();
    private readonly HashSet<string> _found = new(StringComparer.Ordinal);
    private readonly long _totalBytes = model.Tensors.Values.Sum(static tensor => tensor.SizeBytes);
    private long _foundBytes;

    /// <summary>Bytes that the loaded weights take on the device.</summary>
    public long SizeBytes => _loaded.Sum(weight => weight.SizeBytes);

    /// <summary>Bytes of the file that the loaded weights go on using, if they are footprints; a tensor that is used twice counts once.</summary>
    public long MappedBytes => _loaded.OfType<WeightFootprint>().Select(weight => weight.Mapped).OfType<StoredTensor>().DistinctBy(tensor => tensor.Name).Sum(tensor => tensor.SizeBytes);

    public DeviceWeight Table(string name, int rows, int columns) => Keep(target.LoadTable(Find($"{name}.weight", rows, columns)));

    public DeviceWeight Matrix(string name, int rows, int columns) => Keep(target.LoadMatrix(Find($"{name}.weight", rows, columns)));

    /// <summary>Some rows of a table.</summary>
    public DeviceWeight TablePart(string name, int rows, int columns, int first, int count)
    {
        StoredTensor table = Find($"{name}.weight", rows, columns);
        return Keep(target.LoadTable(first == 0 && count == rows ? table : table.Slice(first, count)));
    }

    /// <summary>Some rows of a matrix that is stored fused with others.</summary>
    /// <param name="name">The fused matrix.</param>
    /// <param name="rows">Rows of the fused matrix.</param>
    /// <param name="columns">Its columns.</param>
    /// <param name="first">The first row wanted.</param>
    /// <param name="count">Rows wanted.</param>
    public DeviceWeight Part(string name, int rows, int columns, int first, int count) =>
        Keep(target.LoadMatrix(Find($"{name}.weight", rows, columns).Slice(first, count)));

    /// <summary>A norm's weight, with the offset that its family stores it without.</summary>
    public DeviceWeight Norm(string name, int length) => Keep(target.LoadVector(Find($"{name}.weight", length), model.NormOffset));

    public DeviceWeight? Bias(bool exists, string name, int length) => exists ? Keep(target.LoadVector(Find($"{name}.bias", length))) : null;

    public void Dispose()
    {
        while (_loaded.TryPop(out DeviceWeight? weight))
        {
            weight.Dispose();
        }
    }

    private DeviceWeight Keep(DeviceWeight weight)
    {
        _loaded.Push(weight);
        progress?.Report((double)_foundBytes / _totalBytes);
        return weight;
    }

    private StoredTensor Find(string name, params ReadOnlySpan<long> shape)
    {
        if (!model.Tensors.TryGetValue(name, out StoredTensor? tensor) && !model.Tensors.TryGetValue(FormerName(name), out tensor))
        {
            throw new ModelFormatException(model.Path, null, $"tensor '{name}' is missing; shape [{Describe(shape)}] is expected");
        }

        if (_found.Add(name))
        {
            _foundBytes += tensor.SizeBytes;
        }

        return tensor.Shape.AsSpan().SequenceEqual(shape)
            ? tensor
            : throw new ModelFormatException(
                model.Path, null, $"tensor '{name}' has the shape [{Describe(tensor.Shape.AsSpan())}]; [{Describe(shape)}] is expected");
    }

    // What TensorFlow called a norm's weight and bias is still found in the first BERT models.
    private static string FormerName(string name) => name
        .Replace("LayerNorm.weight", "LayerNorm.gamma", StringComparison.Ordinal).Replace("LayerNorm.bias", "LayerNorm.beta", StringComparison.Ordinal);

    private static string Describe(ReadOnlySpan<long> shape) => string.Join(", ", shape.ToArray());
}
