using System.Globalization;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Commands;

namespace HelixFlow.Cli.Bench.Compare;

/// <summary>Says how two engines compared.</summary>
internal static class ComparisonReport
{
    public static void WriteTable(TextWriter output, List<ComparisonRow> rows, string model, string peer, ComparisonPlan plan)
    {
        string threads = plan.Threads == 1 ? "1 thread" : $"{plan.Threads} threads";
        var table = new ReportTable(
            $"{model}, {threads}, {plan.Prompt} tokens of prompt, {plan.Generate} generated, {plan.Rounds} rounds in turns",
            "work", "helixflow tok/s", "min", "max", $"{peer} tok/s", "min", "max", "ratio", "of rounds");
        foreach (ComparisonRow row in rows)
        {
            table.Add(
                row.Task.Name + (row.PeerSetting.Length > 0 ? $" (peer: {row.PeerSetting})" : ""), Rate(row.Ours.Median), Rate(row.Ours.Min), Rate(row.Ours.Max),
                Rate(row.Theirs.Median), Rate(row.Theirs.Min), Rate(row.Theirs.Max), Ratio(row.Ratio), $"{Ratio(row.RoundRatios.Min)}–{Ratio(row.RoundRatios.Max)}");
        }

        table.Write(output);
        output.WriteLine($"Rates and the ratio are of medians; 'of rounds' is the range of the ratios within single rounds. Both engines keep keys and values as {ComparisonPlan.SharedKvType}.");
    }

    public static JsonObject Json(ComparisonRow row, string model, string peer, ComparisonPlan plan) => new()
    {
        ["model"] = model,
        ["peer"] = peer,
        ["work"] = row.Task.Name,
        ["threads"] = plan.Threads,
        ["kv_type"] = ComparisonPlan.SharedKvType.ToString(),
        ["prompt"] = plan.Prompt,
        ["generate"] = row.Task.Generate,
        ["sequences"] = row.Task.Sequences,
        ["rounds"] = plan.Rounds,
        ["peer_setting"] = row.PeerSetting,
        ["ratio"] = Math.Round(row.Ratio, 4),
        ["ratio_min"] = Math.Round(row.RoundRatios.Min, 4),
        ["ratio_median"] = Math.Round(row.RoundRatios.Median, 4),
        ["ratio_max"] = Math.Round(row.RoundRatios.Max, 4),
        ["helixflow_tokens_per_second"] = Rates(row.Ours),
        ["peer_tokens_per_second"] = Rates(row.Theirs),
    };

    private static JsonObject Rates(Distribution rates) => new()
    {
        ["median"] = Math.Round(rates.Median, 2),
        ["min"] = Math.Round(rates.Min, 2),
        ["max"] = Math.Round(rates.Max, 2),
    };

    private static string Rate(double value) => value.ToString("F1", CultureInfo.InvariantCulture);

    private static string Ratio(double value) => value.ToString("F2", CultureInfo.InvariantCulture);
}
