using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;
using HelixFlow.Gateway.Requests;

namespace HelixFlow.Gateway.Batches;

/// <summary>A request of a batch, and where it stands in the input file.</summary>
/// <param name="Line">Counted from 1, blank lines included.</param>
/// <param name="CustomId">Unique in the batch.</param>
/// <param name="Start">Of the line, in bytes from the file's beginning.</param>
/// <param name="Length">Of the line in bytes, without its end.</param>
internal readonly record struct BatchLine(int Line, string CustomId, long Start, int Length);

/// <summary>Why an input file cannot be run, as the API tells it.</summary>
/// <param name="Code">For programs.</param>
/// <param name="Message">For people.</param>
/// <param name="Param">The field at fault; null for none.</param>
/// <param name="Line">Counted from 1; null for the file as a whole.</param>
internal sealed record BatchError(string Code, string Message, string? Param, int? Line);

/// <summary>Checks a batch's input file line by line: what is wrong with it, or where its requests stand.</summary>
/// <remarks>The lines are handed over in order; nothing but ids and places is kept of them. Not thread-safe.</remarks>
/// <param name="endpoint">The path that every request must have.</param>
/// <param name="maxRequests">Most of them.</param>
internal sealed class BatchInput(string endpoint, int maxRequests)
{
    /// <summary>After so many errors the rest of the file is not looked at.</summary>
    public const int MostErrors = 100;

    private const int LongestCustomId = 512;

    // The request's own body is parsed again when it runs, with the depth that the API allows; here it lies one level deeper.
    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 128, AllowDuplicateProperties = false };

    private readonly HashSet<string> _customIds = new(StringComparer.Ordinal);
    private readonly List<BatchLine> _lines = [];
    private readonly List<BatchError> _errors = [];

    public IReadOnlyList<BatchLine> Lines => _lines;

    public IReadOnlyList<BatchError> Errors => _errors;

    /// <summary>The model of the requests; null before the first that names one.</summary>
    public string? Model { get; private set; }

    /// <summary>The line that first named the model.</summary>
    public int ModelLine { get; private set; }

    /// <summary>Takes the next line; false when no further line need be read.</summary>
    /// <param name="number">Counted from 1.</param>
    /// <param name="text">Without its end.</param>
    /// <param name="start">Where it begins in the file.</param>
    public bool Add(int number, ReadOnlyMemory<byte> text, long start)
    {
        if (number == 1 && text.Span.StartsWith("\uFEFF"u8))
        {
            text = text["\uFEFF"u8.Length..];
            start += "\uFEFF"u8.Length;
        }

        if (text.Span.IndexOfAnyExcept(" \t\r"u8) < 0)
        {
            return true;
        }

        if (_lines.Count == maxRequests)
        {
            _errors.Add(new BatchError(
                "too_many_tasks", string.Create(CultureInfo.InvariantCulture, $"The number of requests in the input file exceeds the maximum allowed value of {maxRequests}."), null, null));
            return false;
        }

        int before = _errors.Count;
        string? customId = Check(number, text);
        if (_errors.Count == before)
        {
            _lines.Add(new BatchLine(number, customId!, start, text.Length));
        }

        return _errors.Count < MostErrors;
    }

    /// <summary>Takes a line that is longer than a request may be.</summary>
    public bool AddTooLong(int number, long most)
    {
        _errors.Add(new BatchError("request_too_large", string.Create(CultureInfo.InvariantCulture, $"This line is longer than {most} bytes."), null, number));
        return _errors.Count < MostErrors;
    }

    /// <summary>Ends the file.</summary>
    public void Complete()
    {
        if (_lines.Count == 0 && _errors.Count == 0)
        {
            _errors.Add(new BatchError("empty_file", "The input file is empty. Please make sure that it has at least one request.", null, null));
        }
    }

    private string? Check(int number, ReadOnlyMemory<byte> text)
    {
        if (!Utf8.IsValid(text.Span) || JsonEscapes.FindLoneSurrogate(text.Span) is not null)
        {
            return Refuse("invalid_json_line", "This line is not parseable as valid JSON: its text is not valid Unicode.", null);
        }

        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(text, Strict);
        }
        catch (JsonException exception)
        {
            return Refuse("invalid_json_line", $"This line is not parseable as valid JSON. {exception.Message}", null);
        }

        using (document)
        {
            JsonElement line = document.RootElement;
            if (line.ValueKind != JsonValueKind.Object)
            {
                return Refuse("invalid_json_line", "This line is not a JSON object.", null);
            }

            string? customId = String(line, "custom_id", "custom_id");
            if (customId is { Length: 0 or > LongestCustomId })
            {
                Refuse("invalid_value", $"Invalid 'custom_id': expected a text of 1 to {LongestCustomId} characters.", "custom_id");
            }
            else if (customId is not null && !_customIds.Add(customId))
            {
                Refuse(
                    "duplicate_custom_id",
                    $"The custom_id '{customId}' for this request is a duplicate of another request. The custom_id parameter must be unique for each request in a batch.",
                    "custom_id");
            }

            if (String(line, "method", "method") is { } method && method != "POST")
            {
                Refuse("invalid_method", $"The method '{Short(method)}' is not supported: every request of a batch is a POST.", "method");
            }

            if (String(line, "url", "url") is { } url && url != endpoint)
            {
                Refuse("invalid_url", $"The URL provided for this request does not match the batch endpoint: expected '{endpoint}', got '{Short(url)}'.", "url");
            }

            CheckBody(line);
            return customId;
        }

        void CheckBody(JsonElement line)
        {
            if (!line.TryGetProperty("body", out JsonElement body) || body.ValueKind == JsonValueKind.Null)
            {
                Refuse("missing_required_parameter", "Missing required parameter: 'body'.", "body");
                return;
            }

            if (body.ValueKind != JsonValueKind.Object)
            {
                Refuse("invalid_type", $"Invalid type for 'body': expected an object, but got {JsonKind.Describe(body)} instead.", "body");
                return;
            }

            if (String(body, "model", "body.model") is { } model)
            {
                if (Model is null)
                {
                    (Model, ModelLine) = (model, number);
                }
                else if (model != Model)
                {
                    Refuse("mismatched_model", $"All requests of a batch must be for one model: expected '{Short(Model)}', got '{Short(model)}'.", "body.model");
                }
            }

            if (body.TryGetProperty("stream", out JsonElement stream) && stream.ValueKind == JsonValueKind.True)
            {
                Refuse("unsupported_value", "Unsupported value: 'stream' is not supported in a batch.", "body.stream");
            }
        }

        string? String(JsonElement parent, string name, string param)
        {
            if (!parent.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            {
                return Refuse("missing_required_parameter", $"Missing required parameter: '{param}'.", param);
            }

            return value.ValueKind == JsonValueKind.String
                ? value.GetString()
                : Refuse("invalid_type", $"Invalid type for '{param}': expected a string, but got {JsonKind.Describe(value)} instead.", param);
        }

        string? Refuse(string code, string message, string? param)
        {
            _errors.Add(new BatchError(code, message, param, number));
            return null;
        }
    }

    private static string Short(string text) => text.Length <= 200 ? text : text[..200] + "…";
}
