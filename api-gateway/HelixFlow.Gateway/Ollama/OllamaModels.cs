using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Ollama;

/// <summary>Models by the names that Ollama's clients use, and what those clients are told of them.</summary>
internal sealed class OllamaModels(IInferencePool pool)
{
    private const string DefaultTag = ":latest";

    /// <summary>The model that a request names in "model" or, as older clients do, in "name".</summary>
    /// <exception cref="OpenAiException">The request names none, or there is no such model.</exception>
    public async ValueTask<ModelDescription> FindAsync(RequestFields fields, CancellationToken cancellationToken)
    {
        string name = NameOf(fields);
        return await TryFindAsync(name, cancellationToken) ?? throw NotFound(name);
    }

    /// <summary>The model of a name, with the tag ":latest" or without it; null when there is none.</summary>
    public async ValueTask<ModelDescription?> TryFindAsync(string name, CancellationToken cancellationToken)
    {
        ListModelsResponse list = await pool.ListModelsAsync(new ListModelsRequest(), cancellationToken);
        return list.Models.FirstOrDefault(model => model.Name == name)
            ?? (name.EndsWith(DefaultTag, StringComparison.Ordinal) ? list.Models.FirstOrDefault(model => model.Name == name[..^DefaultTag.Length]) : null);
    }

    /// <summary>The name that a request gives.</summary>
    /// <exception cref="OpenAiException">It gives none.</exception>
    public static string NameOf(RequestFields fields) => (fields.String("model"), fields.String("name")) is var (model, name) && model is { Length: > 0 } ? model
        : name is { Length: > 0 } ? name
        : throw RequestFields.Invalid("model", "model is required", "missing_required_parameter");

    public static OpenAiException NotFound(string name) =>
        new(new OpenAiError(StatusCodes.Status404NotFound, "invalid_request_error", $"model '{name}' not found", "model", "model_not_found"));

    /// <summary>What a model can be used for, in Ollama's words.</summary>
    public static IEnumerable<string> Capabilities(ModelDescription model)
    {
        yield return model.Kind is ModelKind.Embed or ModelKind.Rank ? "embedding" : "completion";
        if (model.Chat)
        {
            yield return "tools";
        }

        if (model.Reasoning)
        {
            yield return "thinking";
        }
    }

    /// <summary>Writes the keys that a model has in every list.</summary>
    public static void WriteListed(Utf8JsonWriter json, ModelDescription model)
    {
        json.WriteString("name"u8, model.Name);
        json.WriteString("model"u8, model.Name);
        json.WriteString("modified_at"u8, ModifiedAt(model));
        json.WriteNumber("size"u8, model.SizeBytes);
        json.WriteString("digest"u8, DigestOf(model));
        WriteDetails(json, model);
    }

    public static void WriteDetails(Utf8JsonWriter json, ModelDescription model)
    {
        json.WriteStartObject("details"u8);
        json.WriteString("parent_model"u8, ""u8);
        json.WriteString("format"u8, model.FileFormat);
        json.WriteString("family"u8, model.Architecture);
        json.WriteStartArray("families"u8);
        json.WriteStringValue(model.Architecture);
        json.WriteEndArray();
        json.WriteString("parameter_size"u8, SizeOf(model.Parameters));
        json.WriteString("quantization_level"u8, model.Weights);
        json.WriteEndObject();
    }

    public static string ModifiedAt(ModelDescription model) =>
        DateTimeOffset.FromUnixTimeSeconds(model.Created).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    // Clients tell versions of a model apart by it. Files are not hashed: what is known of them changes when they do.
    private static string DigestOf(ModelDescription model) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
        string.Create(CultureInfo.InvariantCulture, $"{model.Name}\n{model.Created}\n{model.SizeBytes}\n{model.Parameters}\n{model.Architecture}\n{model.Weights}"))));

    private static string SizeOf(ulong parameters) => parameters switch
    {
        >= 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{parameters / 1e9:0.#}B"),
        >= 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{parameters / 1e6:0.##}M"),
        >= 1_000 => string.Create(CultureInfo.InvariantCulture, $"{parameters / 1e3:0.##}K"),
        _ => parameters.ToString(CultureInfo.InvariantCulture),
    };
}
