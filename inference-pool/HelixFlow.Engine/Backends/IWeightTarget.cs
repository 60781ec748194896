using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Backends;

/// <summary>Where a model's weights are brought to: a device, or something that only counts what they would take there.</summary>
public interface IWeightTarget
{
    /// <summary>Brings a matrix [outputs, inputs] to the device in the layout its kernels like, repacked if that helps.</summary>
    DeviceWeight LoadMatrix(StoredTensor tensor);

    /// <summary>Brings an embedding table [vocabulary, hidden] to the device, for <see cref="IBackend.Embed"/>. May share memory with the file.</summary>
    DeviceWeight LoadTable(StoredTensor tensor);

    /// <summary>Brings a vector (norm weight, bias) to the device as float32, with <paramref name="add"/> added to each element (Gemma stores w - 1 in safetensors).</summary>
    DeviceWeight LoadVector(StoredTensor tensor, float add = 0);
}
