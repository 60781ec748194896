using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Tables;

/// <summary>
/// <c>analyse-data</c>: what kinds of values a table has, their statistics, outliers and correlations, and charts of them, all computed; and a few
/// sentences of a model, of which only those are kept whose numbers were computed.
/// </summary>
public sealed class AnalyseDataJob : IJobType
{
    private const int NarrativeTokens = 300;
    private const long MaxFileBytes = 256L << 20; // the text of a table is held in memory

    private static readonly UTF8Encoding _utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly IModelClient _models;
    private readonly StepExecutor<ModelCall, ModelAnswer> _answer;
    private readonly StepExecutor<string, ModelChoice> _find;

    private static readonly StepExecutor<TableInput, TableProfile> _profile = new(
        "table-profile", 1, EffectClass.Pure, TableJson.Default.TableInput, TableJson.Default.TableProfile,
        static (input, _, _) => Task.FromResult(Profiling.Of(DataTable.Read(input))));

    private static readonly StepExecutor<TableProfile, IReadOnlyList<Chart>> _charts = new(
        "table-charts", 1, EffectClass.Pure, TableJson.Default.TableProfile, TableJson.Default.IReadOnlyListChart,
        static (profile, _, _) => Task.FromResult(SvgCharts.Of(profile)));

    /// <summary>Makes the type.</summary>
    public AnalyseDataJob(IModelClient models)
    {
        _models = models;
        _answer = ModelSteps.Answer(models);
        _find = new("table-model", 1, EffectClass.Recorded, TableModelJson.Default.String, TableModelJson.Default.ModelChoice, async (model, _, token) =>
        {
            ModelLimits found = await _models.FindAsync(model.Length == 0 ? null : model, token).ConfigureAwait(false);
            return new ModelChoice(found.Name, found.ContextLength);
        });
    }

    /// <inheritdoc />
    public string Name => "analyse-data";

    /// <inheritdoc />
    public string Description => "Analyses a table given as CSV, JSON or JSON Lines: types, statistics, outliers, correlations, charts, and a short description that cites computed figures only.";

    /// <inheritdoc />
    public JsonElement InputSchema { get; } = JsonElement.Parse("""
        {
          "type": "object",
          "properties": {
            "data": {
              "description": "The table as text; as a file that was brought before, by its hash; for the format json also as a list of objects",
              "anyOf": [
                { "type": "string", "minLength": 1 },
                { "type": "array", "minItems": 1, "items": { "type": "object" } },
                { "type": "object", "properties": { "artifact": { "type": "string", "minLength": 64, "maxLength": 64 } }, "required": ["artifact"], "additionalProperties": false }
              ]
            },
            "format": { "enum": ["csv", "json", "jsonl"], "default": "csv" },
            "delimiter": { "type": "string", "minLength": 1, "maxLength": 1, "description": "Between the fields of CSV; default: what the first line has most of among , ; | and tab" },
            "header": { "type": "boolean", "default": true, "description": "Whether the first record of CSV holds the columns' names" },
            "charts": { "type": "boolean", "default": true },
            "narrative": { "type": "boolean", "default": true },
            "model": { "type": "string", "minLength": 1, "description": "Who writes the narrative; default: the first model that is served" }
          },
          "required": ["data"],
          "additionalProperties": false
        }
        """);

    /// <inheritdoc />
    public JsonElement OutputSchema { get; } = JsonElement.Parse("""
        {
          "type": "object",
          "properties": {
            "rows": { "type": "integer" },
            "columns": {
              "type": "array",
              "items": {
                "type": "object",
                "properties": {
                  "name": { "type": "string" },
                  "type": { "enum": ["integer", "number", "boolean", "date", "text", "empty"] },
                  "count": { "type": "integer" },
                  "missing": { "type": "integer" },
                  "distinct": { "type": "integer" },
                  "numbers": {
                    "type": "object",
                    "description": "min, q1, median, q3, max, mean, deviation (of a sample), sum, outliers and a histogram",
                    "required": ["min", "q1", "median", "q3", "max", "mean", "sum", "outliers", "histogram"]
                  },
                  "frequent": { "type": "array", "items": { "type": "object", "required": ["value", "count"] } },
                  "earliest": { "type": "string" },
                  "latest": { "type": "string" }
                },
                "required": ["name", "type", "count", "missing", "distinct"]
              }
            },
            "correlations": { "type": "array", "description": "Pearson's, strongest first", "items": { "type": "object", "required": ["a", "b", "coefficient", "rows"] } },
            "charts": {
              "type": "array",
              "description": "SVG documents, which are artifacts of the job",
              "items": { "type": "object", "properties": { "artifact": { "type": "string" } }, "required": ["title", "kind", "artifact"] }
            },
            "narrative": { "type": "string", "description": "Missing when the model said nothing that holds" },
            "model": { "type": "string" }
          },
          "required": ["rows", "columns", "correlations", "charts"]
        }
        """);

    /// <inheritdoc />
    public async Task<JsonElement> RunAsync(Run run, CancellationToken cancellationToken)
    {
        TableInput input = run.Input.Deserialize(TableJson.Default.TableInput)!;
        JsonElement data = ArtifactReference.Of(input.Data) is { } file ? await TextAsync(run, file, cancellationToken).ConfigureAwait(false) : input.Data;
        var table = new TableInput { Data = data, Format = input.Format, Delimiter = input.Delimiter, Header = input.Header }; // what the profile depends on, so that others can use it
        TableProfile profile = await run.StepAsync("profile", _profile, table, cancellationToken).ConfigureAwait(false);
        await run.ReportAsync(40, "The table is computed", cancellationToken).ConfigureAwait(false);
        List<ChartFile> charts = input.Charts ? await DrawAsync(run, profile, cancellationToken).ConfigureAwait(false) : [];
        (string? narrative, string? model) = input.Narrative ? await DescribeAsync(run, input, profile, cancellationToken).ConfigureAwait(false) : (null, null);
        return JsonSerializer.SerializeToElement(
            new TableAnalysis(profile.Rows, profile.Columns, profile.Correlations, charts, narrative, model), TableJson.Default.TableAnalysis);
    }

    private static async Task<JsonElement> TextAsync(Run run, string file, CancellationToken cancellationToken)
    {
        byte[] content = await run.ReadArtifactAsync(file, MaxFileBytes, cancellationToken).ConfigureAwait(false);
        try
        {
            string text = _utf8.GetString(content.AsSpan().StartsWith(Encoding.UTF8.Preamble) ? content.AsSpan(Encoding.UTF8.Preamble.Length) : content);
            return JsonSerializer.SerializeToElement(text, TableModelJson.Default.String);
        }
        catch (DecoderFallbackException exception)
        {
            throw new JobFailedException("invalid_data", $"The file {file} is no UTF-8 text.", exception);
        }
    }

    private static async Task<List<ChartFile>> DrawAsync(Run run, TableProfile profile, CancellationToken cancellationToken)
    {
        IReadOnlyList<Chart> charts = await run.StepAsync("charts", _charts, profile, cancellationToken).ConfigureAwait(false);
        var files = new List<ChartFile>();
        foreach (Chart chart in charts)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"chart-{files.Count + 1}.svg");
            await run.ArtifactAsync(name, Encoding.UTF8.GetBytes(chart.Svg), "image/svg+xml", cancellationToken).ConfigureAwait(false);
            files.Add(new ChartFile(chart.Title, chart.Kind, name));
        }

        return files;
    }

    private async Task<(string? Narrative, string? Model)> DescribeAsync(Run run, TableInput input, TableProfile profile, CancellationToken cancellationToken)
    {
        await run.ReportAsync(60, "The model describes it", cancellationToken).ConfigureAwait(false);
        ModelChoice model = await run.StepAsync("model", _find, input.Model ?? "", cancellationToken).ConfigureAwait(false);
        List<string> facts = Narrative.Facts(profile, out List<decimal> figures);
        int room = model.ContextLength - NarrativeTokens;
        while (facts.Count > 1 && await _models.CountAsync(model.Name, Narrative.Question(facts), cancellationToken).ConfigureAwait(false) > room)
        {
            facts.RemoveAt(facts.Count - 1);
        }

        var question = new ModelCall(model.Name, Narrative.Question(facts), NarrativeTokens);
        ModelAnswer answer = await run.StepAsync("narrative", _answer, question, cancellationToken).ConfigureAwait(false);
        IEnumerable<string> names = profile.Columns.SelectMany(static column => (column.Frequent ?? []).Select(static value => value.Value).Prepend(column.Name));
        return (Narrative.Checked(answer.Text, figures, names), model.Name);
    }
}

/// <summary>The model that was there when the run asked.</summary>
internal sealed record ModelChoice(string Name, int ContextLength);

[System.Text.Json.Serialization.JsonSerializable(typeof(string))]
[System.Text.Json.Serialization.JsonSerializable(typeof(ModelChoice))]
internal sealed partial class TableModelJson : System.Text.Json.Serialization.JsonSerializerContext;
