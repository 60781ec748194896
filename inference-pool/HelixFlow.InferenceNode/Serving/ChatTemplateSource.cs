using System.Text.Json;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;

namespace HelixFlow.InferenceNode.Serving;

/// <summary>Finds the chat template that a model brings.</summary>
/// <remarks>
/// GGUF: tokenizer.chat_template. Hugging Face: chat_template.jinja, else chat_template in tokenizer_config.json, which is a text or, for
/// several, a list of {name, template} whose "default" is taken.
/// </remarks>
internal static class ChatTemplateSource
{
    /// <summary>The template's text, or null when the model brings none.</summary>
    /// <exception cref="ModelFormatException">tokenizer_config.json is not what it should be.</exception>
    public static string? Find(ModelFile file)
    {
        if (file.Metadata is { } metadata)
        {
            return metadata.TryGetString("tokenizer.chat_template", out string? template) ? template : null;
        }

        string jinja = Path.Combine(file.Path, "chat_template.jinja");
        if (File.Exists(jinja))
        {
            return File.ReadAllText(jinja);
        }

        string config = Path.Combine(file.Path, "tokenizer_config.json");
        return File.Exists(config) ? Read(config) : null;
    }

    private static string? Read(string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            if (!document.RootElement.TryGetProperty("chat_template", out JsonElement template))
            {
                return null;
            }

            return template.ValueKind switch
            {
                JsonValueKind.Null => null,
                JsonValueKind.String => template.GetString(),
                JsonValueKind.Array => template.EnumerateArray()
                    .First(entry => entry.GetProperty("name").GetString() == "default").GetProperty("template").GetString(),
                _ => throw new ModelFormatException(path, null, $"chat_template is {template.ValueKind}; a text or a list of named templates is expected"),
            };
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new ModelFormatException(path, null, $"chat_template cannot be read: {exception.Message}", exception);
        }
    }
}
