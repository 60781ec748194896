using HelixFlow.InferenceNode.Placement;

namespace HelixFlow.InferenceNode.Hosting;

/// <summary>Why a host has refused a request for a model.</summary>
internal enum ModelRefusal
{
    /// <summary>There is no model of this name.</summary>
    Unknown,

    /// <summary>No device has room for it, or pinned models hold that room.</summary>
    DoesNotFit,

    /// <summary>Too many requests wait for models.</summary>
    QueueFull,

    /// <summary>The model was unloaded on request while this request waited for it.</summary>
    Unloaded,

    /// <summary>The host is shutting down.</summary>
    Closed,
}

/// <summary>A host refuses a request for a model.</summary>
internal sealed class ModelRefusedException(string model, ModelRefusal refusal, string message, SplitPlan? split = null) : Exception(message)
{
    public string Model => model;

    public ModelRefusal Refusal => refusal;

    /// <summary>For <see cref="ModelRefusal.DoesNotFit"/>: how the model could be divided over devices, where it could.</summary>
    public SplitPlan? Split => split;
}
