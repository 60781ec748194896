using HelixFlow.Gateway.Errors;

namespace HelixFlow.Gateway.Files;

/// <summary>What files are for.</summary>
internal static class FilePurpose
{
    public const string Batch = "batch";

    /// <summary>Of the files that batches make.</summary>
    public const string BatchOutput = "batch_output";

    private static readonly string[] Uploadable = ["fine-tune", "assistants", Batch, "user_data", "vision", "evals"];

    /// <summary>Checks the purpose of a file that a client sends.</summary>
    /// <exception cref="OpenAiException">It is missing, or none that files are uploaded for.</exception>
    public static string Check(string? purpose) => purpose switch
    {
        null => throw new OpenAiException(OpenAiError.Invalid("Missing required parameter: 'purpose'.", "purpose", "missing_required_parameter")),
        _ when Array.IndexOf(Uploadable, purpose) >= 0 => purpose,
        _ => throw new OpenAiException(OpenAiError.Invalid($"'{purpose}' is not one of ['{string.Join("', '", Uploadable)}'] - 'purpose'", "purpose")),
    };

    /// <summary>Checks that a file for batches is named as one; a name without an extension says nothing and passes.</summary>
    public static void CheckName(string purpose, string filename)
    {
        if (purpose == Batch && Path.GetExtension(filename) is { Length: > 0 } extension && !extension.Equals(".jsonl", StringComparison.OrdinalIgnoreCase))
        {
            throw new OpenAiException(OpenAiError.Invalid("Invalid file format for Batch API. Must be .jsonl", "file"));
        }
    }
}
