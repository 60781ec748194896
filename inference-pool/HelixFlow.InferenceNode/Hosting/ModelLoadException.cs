namespace HelixFlow.InferenceNode.Hosting;

/// <summary>A model could not be loaded. The inner exception is the loader's.</summary>
internal sealed class ModelLoadException(string model, Exception cause)
    : Exception($"The model '{model}' could not be loaded: {cause.Message}", cause)
{
    public string Model { get; } = model;

    public string Reason { get; } = cause.Message;
}
