using System.Text.Json;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;

namespace HelixFlow.InferenceNode.Serving;

/// <summary>How a model's makers want it sampled when a request does not say: generation_config.json of a Hugging Face folder.</summary>
internal sealed record GenerationDefaults(float? Temperature, float? TopP, int? TopK, float? MinP, float? RepetitionPenalty)
{
    private static readonly GenerationDefaults None = new(null, null, null, null, null);

    /// <exception cref="ModelFormatException">The file is there but is not a JSON object.</exception>
    public static GenerationDefaults Read(ModelFile file)
    {
        string path = Path.Combine(file.Path, "generation_config.json");
        if (file.Kind != ModelFileKind.HuggingFace || !File.Exists(path))
        {
            return None;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            JsonElement config = document.RootElement;
            bool greedy = config.TryGetProperty("do_sample", out JsonElement sample) && sample.ValueKind == JsonValueKind.False;
            return new GenerationDefaults(
                greedy ? 0 : Number(config, "temperature"),
                Number(config, "top_p"),
                (int?)Number(config, "top_k"),
                Number(config, "min_p"),
                Number(config, "repetition_penalty"));
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new ModelFormatException(path, null, $"cannot be read: {exception.Message}", exception);
        }
    }

    private static float? Number(JsonElement config, string name) =>
        config.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetSingle() : null;
}
