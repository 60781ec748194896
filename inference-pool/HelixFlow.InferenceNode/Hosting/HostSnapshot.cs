using HelixFlow.InferenceNode.Devices;

namespace HelixFlow.InferenceNode.Hosting;

/// <summary>Where a hosted model is.</summary>
public enum HostedModelState
{
    Unloaded,
    Loading,
    Resident,

    /// <summary>The latest load failed; it is tried again on demand after a pause.</summary>
    Failed,
}

/// <summary>A model at one moment.</summary>
/// <param name="Name">Its name.</param>
/// <param name="State">Where it is; resident when any replica is.</param>
/// <param name="Progress">Of the load under way, 0 to 1.</param>
/// <param name="Step">What the load is doing, for people.</param>
/// <param name="Failure">Why the latest load failed; null when it did not.</param>
/// <param name="Waiting">Requests that wait for it.</param>
/// <param name="Active">Requests that use it.</param>
/// <param name="Pinned">Whether it is never evicted.</param>
/// <param name="DeviceIds">Where its resident replicas lie.</param>
public sealed record HostedModel(
    string Name, HostedModelState State, double Progress, string Step, string? Failure, int Waiting, int Active, bool Pinned, IReadOnlyList<string> DeviceIds);

/// <summary>A device at one moment.</summary>
/// <param name="Device">The device.</param>
/// <param name="UsedBytes">What models take of its budget, those being loaded included.</param>
public sealed record HostedDevice(Device Device, long UsedBytes);

/// <summary>All models and devices at one moment.</summary>
public sealed record HostSnapshot(IReadOnlyList<HostedModel> Models, IReadOnlyList<HostedDevice> Devices);

/// <summary>How far a load is.</summary>
/// <param name="Fraction">0 to 1.</param>
/// <param name="Step">What is being done, for people.</param>
public readonly record struct LoadProgress(double Fraction, string Step);

/// <summary>A model cannot be loaded; the message says why.</summary>
public sealed class ModelLoadException(string model, string message, Exception? innerException = null) : Exception(message, innerException)
{
    public string Model { get; } = model;
}

/// <summary>Too many requests wait for a model already.</summary>
public sealed class ModelQueueFullException(string message) : Exception(message);
