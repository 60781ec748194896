using System.Globalization;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Commands;

namespace HelixFlow.Cli.Bench.Load;

/// <summary>Says what runs gave: tables for people, JSON with vLLM's names for programs, a CSV line for every request.</summary>
internal static class LoadReport
{
    public const string CsvHeader =
        "run,index,conversation,turn,arrival_s,sent_s,lag_ms,planned_prompt_tokens,prompt_tokens,cached_tokens,planned_output_tokens,output_tokens,chunks,ttft_ms,tpot_ms,e2el_ms,good,error";

    public static void WriteTables(TextWriter output, LoadSummary summary)
    {
        var latencies = new ReportTable($"{summary.Run.Model}, {summary.Run.Name}", "milliseconds", "mean", "p50", "p90", "p99", "max");
        foreach ((string name, Distribution values) in Latencies(summary))
        {
            latencies.Add([name, .. ((double[])[values.Mean, values.Median, values.Percentile(90), values.Percentile(99), values.Max]).Select(value => Number(value, value < 100 ? "F1" : "F0"))]);
        }

        latencies.Write(output);
        output.WriteLine(Line($"{summary.Completed} of {summary.Traces.Count} requests completed in {summary.Seconds:F1} s; at most {summary.MostConcurrent} at a time"));
        output.WriteLine(Line($"throughput: {summary.RequestsPerSecond:F2} requests/s, {summary.OutputTokensPerSecond:F1} output tokens/s, {summary.InputTokensPerSecond:F1} input tokens/s"));
        if (summary.CachedTokens is { } cached && summary.InputTokens > 0)
        {
            output.WriteLine(Line($"prefix cache: {100.0 * cached / summary.InputTokens:F0} % of the prompt tokens"));
        }

        if (!summary.Run.Limits.IsEmpty)
        {
            output.WriteLine(Line($"goodput: {summary.GoodRequestsPerSecond:F2} requests/s; {summary.Good} of {summary.Traces.Count} kept the limits"));
        }

        foreach (LoadError error in summary.Errors)
        {
            output.WriteLine(Line($"failed, {error.Kind}: {error.Count} ({Terminal.Printable(error.Message, maxLength: 200)})"));
        }

        if (summary.WithoutUsage > 0)
        {
            output.WriteLine(Line($"{summary.WithoutUsage} answers came without usage: their pieces are counted as tokens"));
        }

        if (summary.FellBehind)
        {
            output.WriteLine(Line(
                $"The generator fell behind: requests were sent up to {summary.Lag.Max:F0} ms late (p99 {summary.Lag.Percentile(99):F0} ms). Latencies count from the intended arrival and include it."));
        }
    }

    /// <summary>One line per rate.</summary>
    public static void WriteSweep(TextWriter output, IReadOnlyList<LoadSummary> runs)
    {
        var table = new ReportTable(
            $"{runs[0].Run.Model}, by load", "load", "requests/s", "goodput/s", "output tok/s", "TTFT p50 ms", "p99", "TPOT p50 ms", "p99", "E2EL p50 ms", "p99", "failed");
        foreach (LoadSummary run in runs)
        {
            table.Add(
                run.Run.Name, Number(run.RequestsPerSecond, "F2"), run.Run.Limits.IsEmpty ? "" : Number(run.GoodRequestsPerSecond, "F2"), Number(run.OutputTokensPerSecond, "F1"),
                Number(run.Ttft.Median, "F0"), Number(run.Ttft.Percentile(99), "F0"), Number(run.Tpot.Median, "F1"), Number(run.Tpot.Percentile(99), "F1"),
                Number(run.EndToEnd.Median, "F0"), Number(run.EndToEnd.Percentile(99), "F0"), Number(run.Failed, "F0"));
        }

        table.Write(output);
    }

    public static JsonObject Json(LoadSummary summary)
    {
        var json = new JsonObject
        {
            ["model_id"] = summary.Run.Model,
            ["request_rate"] = summary.Run.Rate is { } rate ? double.IsPositiveInfinity(rate) ? "inf" : rate : null,
            ["max_concurrency"] = summary.Run.Users,
            ["num_prompts"] = summary.Traces.Count,
            ["duration"] = Rounded(summary.Seconds),
            ["completed"] = summary.Completed,
            ["failed"] = summary.Failed,
            ["total_input_tokens"] = summary.InputTokens,
            ["total_output_tokens"] = summary.OutputTokens,
            ["total_cached_tokens"] = summary.CachedTokens,
            ["request_throughput"] = Rounded(summary.RequestsPerSecond),
            ["request_goodput"] = summary.Run.Limits.IsEmpty ? null : Rounded(summary.GoodRequestsPerSecond),
            ["output_throughput"] = Rounded(summary.OutputTokensPerSecond),
            ["input_throughput"] = Rounded(summary.InputTokensPerSecond),
            ["total_token_throughput"] = Rounded(summary.OutputTokensPerSecond + summary.InputTokensPerSecond),
            ["max_concurrent_requests"] = summary.MostConcurrent,
            ["without_usage"] = summary.WithoutUsage,
            ["fell_behind"] = summary.FellBehind,
        };
        foreach ((string name, Distribution values) in Latencies(summary))
        {
            string key = name.ToLowerInvariant();
            json[$"mean_{key}_ms"] = Rounded(values.Mean);
            json[$"median_{key}_ms"] = Rounded(values.Median);
            json[$"std_{key}_ms"] = Rounded(values.StandardDeviation);
            json[$"p50_{key}_ms"] = Rounded(values.Percentile(50));
            json[$"p90_{key}_ms"] = Rounded(values.Percentile(90));
            json[$"p99_{key}_ms"] = Rounded(values.Percentile(99));
            json[$"max_{key}_ms"] = Rounded(values.Max);
        }

        json["errors"] = new JsonObject(summary.Errors.Select(error => KeyValuePair.Create(error.Kind, (JsonNode?)error.Count)));
        return json;
    }

    /// <summary>A line for each request of the runs, after <see cref="CsvHeader"/>; times without a value are empty.</summary>
    public static void WriteCsv(TextWriter output, IEnumerable<LoadSummary> runs)
    {
        output.Write(CsvHeader + "\n");
        foreach (LoadSummary run in runs)
        {
            foreach (RequestTrace trace in run.Traces)
            {
                string?[] cells =
                [
                    run.Run.Rate is { } rate ? rate.ToString("R", CultureInfo.InvariantCulture) : $"users {run.Run.Users}",
                    Whole(trace.Request.Index), Whole(trace.Request.Conversation), Whole(trace.Request.Turn),
                    Number(trace.Arrival.TotalSeconds, "F6"), Number(trace.Sent.TotalSeconds, "F6"), Number(trace.Lag.TotalMilliseconds, "F3"),
                    Whole(trace.Request.PromptTokens), Whole(trace.PromptTokens), Whole(trace.CachedTokens),
                    Whole(trace.Request.OutputTokens), Whole(trace.OutputTokens), Whole(trace.Chunks.Count),
                    trace.IsCompleted ? Number(trace.Ttft.TotalMilliseconds, "F3") : "",
                    trace.IsCompleted && trace.Tpot is { } tpot ? Number(tpot.TotalMilliseconds, "F3") : "",
                    trace.IsCompleted ? Number(trace.EndToEnd.TotalMilliseconds, "F3") : "",
                    run.Run.Limits.AreKeptBy(trace) ? "1" : "0",
                    trace.Error,
                ];
                output.Write(string.Join(',', cells) + "\n");
            }
        }
    }

    private static (string Name, Distribution Values)[] Latencies(LoadSummary summary) =>
        [("TTFT", summary.Ttft), ("TPOT", summary.Tpot), ("ITL", summary.Itl), ("E2EL", summary.EndToEnd), ("send_lag", summary.Lag)];

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Number(double value, string format) => double.IsNaN(value) ? "–" : value.ToString(format, CultureInfo.InvariantCulture);

    private static string Whole(int? value) => value?.ToString(CultureInfo.InvariantCulture) ?? "";

    // JSON has no NaN.
    private static JsonValue? Rounded(double value) => double.IsFinite(value) ? JsonValue.Create(Math.Round(value, 4)) : null;
}
