using System.Text.Json;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Models;

/// <summary>What sentence-transformers' files beside a model say of turning texts into vectors.</summary>
/// <param name="Pooling">How token states become one vector; null where the files do not say.</param>
/// <param name="MaxTokens">The most tokens of a text; null for the model's own limit.</param>
/// <remarks>Vectors are scaled to unit length in any case, whether a Normalize module is listed or not.</remarks>
internal sealed record SentenceModules(Pooling? Pooling, int? MaxTokens)
{
    public static SentenceModules Read(string folder)
    {
        Pooling? pooling = null;
        foreach ((string type, string path) in Modules(folder))
        {
            string kind = type[(type.LastIndexOf('.') + 1)..];
            pooling = kind switch
            {
                "Transformer" or "Normalize" => pooling,
                "Pooling" => PoolingOf(Path.Combine(folder, path, "config.json")),
                _ => throw new ModelFormatException(
                    Path.Combine(folder, "modules.json"), null, $"lists a module of the type '{kind}', which is not supported; Transformer, Pooling and Normalize are"),
            };
        }

        string settings = Path.Combine(folder, "sentence_bert_config.json");
        int? most = null;
        if (File.Exists(settings))
        {
            using var json = ConfigJson.Open(settings);
            most = json.Has("max_seq_length") ? json.Int("max_seq_length") : null;
        }

        return new SentenceModules(pooling, most);
    }

    // Without modules.json a pooling file may still be there.
    private static List<(string Type, string Path)> Modules(string folder)
    {
        string path = Path.Combine(folder, "modules.json");
        if (!File.Exists(path))
        {
            return File.Exists(Path.Combine(folder, "1_Pooling", "config.json")) ? [("Pooling", "1_Pooling")] : [];
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            return [.. document.RootElement.EnumerateArray().Select(static module => (module.GetProperty("type").GetString() ?? "", module.GetProperty("path").GetString() ?? ""))];
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new ModelFormatException(path, null, $"is not a list of modules with type and path: {exception.Message}", exception);
        }
    }

    private static Pooling PoolingOf(string path)
    {
        using var json = ConfigJson.Open(path);
        string[] modes =
        [
            .. ((string[])["cls_token", "mean_tokens", "lasttoken", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens"])
                .Where(mode => json.Bool($"pooling_mode_{mode}", false)),
        ];
        return modes switch
        {
            ["cls_token"] => Models.Pooling.First,
            ["mean_tokens"] => Models.Pooling.Mean,
            ["lasttoken"] => Models.Pooling.Last,
            [] => Models.Pooling.Mean,
            _ => throw json.Error($"pools by {string.Join(" and ", modes)}, which is not supported; one of cls_token, mean_tokens and lasttoken is"),
        };
    }
}
