using System.Text.Json;
using System.Text.Json.Serialization;

namespace HelixFlow.Agents.JobTypes.Tables;

/// <summary>What is to be analysed. Its properties have setters because source-generated readers forget the defaults of others.</summary>
internal sealed record TableInput
{
    public required JsonElement Data { get; set; }

    public string Format { get; set; } = "csv";

    public string? Delimiter { get; set; }

    public bool Header { get; set; } = true;

    public bool Charts { get; set; } = true;

    public bool Narrative { get; set; } = true;

    public string? Model { get; set; }
}

/// <summary>All that was computed from a table.</summary>
internal sealed record TableProfile(int Rows, IReadOnlyList<ColumnProfile> Columns, IReadOnlyList<Correlation> Correlations, IReadOnlyList<PointCloud> Clouds);

/// <summary>A column. <paramref name="Type"/> is integer, number, boolean, date, text or empty: the narrowest that all its values have.</summary>
internal sealed record ColumnProfile(
    string Name, string Type, int Count, int Missing, int Distinct, NumberProfile? Numbers, IReadOnlyList<ValueCount>? Frequent, string? Earliest, string? Latest);

/// <summary>Statistics of numbers. Quartiles interpolate linearly between ranks (type 7 of Hyndman and Fan, 1996); the deviation is that of a sample.</summary>
internal sealed record NumberProfile(
    double Min, double Q1, double Median, double Q3, double Max, double Mean, double? Deviation, double Sum, Outliers Outliers, IReadOnlyList<Bin> Histogram);

/// <summary>Values beyond one and a half interquartile ranges outside the quartiles (Tukey, 1977), the most extreme first.</summary>
internal sealed record Outliers(double Below, double Above, int Count, IReadOnlyList<Outlier> Values);

/// <param name="Row">1 for the first row of data.</param>
/// <param name="Value">The value.</param>
internal sealed record Outlier(int Row, double Value);

/// <summary>How many values are from <paramref name="From"/> up to <paramref name="To"/>, which belongs to the last bin alone.</summary>
internal sealed record Bin(double From, double To, int Count);

internal sealed record ValueCount(string Value, int Count);

/// <summary>Pearson's coefficient over the rows that have both values.</summary>
internal sealed record Correlation(string A, string B, double Coefficient, int Rows);

/// <summary>Points of two columns, evenly taken from all rows that have both.</summary>
internal sealed record PointCloud(string X, string Y, IReadOnlyList<double[]> Points);

internal sealed record Chart(string Title, string Kind, string Svg);

/// <summary>A chart as the result names it: the document is an artifact of the job.</summary>
internal sealed record ChartFile(string Title, string Kind, string Artifact);

internal sealed record TableAnalysis(
    int Rows, IReadOnlyList<ColumnProfile> Columns, IReadOnlyList<Correlation> Correlations, IReadOnlyList<ChartFile> Charts, string? Narrative, string? Model);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TableInput))]
[JsonSerializable(typeof(TableProfile))]
[JsonSerializable(typeof(TableAnalysis))]
[JsonSerializable(typeof(IReadOnlyList<Chart>))]
internal sealed partial class TableJson : JsonSerializerContext;
