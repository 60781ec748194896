namespace HelixFlow.Cli.Store;

/// <summary>What a model's headers say about it.</summary>
/// <param name="Architecture">Such as llama or qwen3; null when the files do not say.</param>
/// <param name="Quantisation">The published name such as Q4_K_M, else the type that takes most bytes.</param>
/// <param name="Parameters">Elements of all tensors.</param>
/// <param name="ContextLength">Tokens the model was made for; null when the files do not say.</param>
/// <param name="VocabularySize">Tokens; null when the files do not say.</param>
/// <param name="HasChatTemplate">Whether the model brings its own chat template.</param>
/// <param name="Purpose">What the model was made for: generate, embed or rank; null when this program cannot run it.</param>
/// <param name="Types">Tensors by type, largest share first.</param>
/// <param name="Metadata">Key and value pairs in the file's order, shortened for reading.</param>
internal sealed record ModelDetails(
    string? Architecture,
    string Quantisation,
    long Parameters,
    long? ContextLength,
    long? VocabularySize,
    bool HasChatTemplate,
    string? Purpose,
    IReadOnlyList<TensorTypeShare> Types,
    IReadOnlyList<KeyValuePair<string, string>> Metadata);

/// <summary>How much of a model is stored in one type.</summary>
internal sealed record TensorTypeShare(string Type, int Tensors, long Parameters, long SizeBytes);
