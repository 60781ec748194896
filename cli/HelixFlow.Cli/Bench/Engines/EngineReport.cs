using System.Globalization;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Commands;

namespace HelixFlow.Cli.Bench.Engines;

/// <summary>Says what <see cref="EngineBench"/> measured, as tables for people or JSON for programs.</summary>
internal static class EngineReport
{
    public static void WriteTables(TextWriter output, EngineBenchResult result)
    {
        double byteOrFloat = OperationCeiling(result);
        string setup = Setup(result.Room);
        var prefill = new ReportTable($"{result.Model}, {setup}: prefill", "prompt", "tok/s", "min", "max", "GOPS", "of ceiling");
        foreach (EngineBenchRow row in result.Rows.GroupBy(row => row.Prompt).Select(rows => rows.Last()))
        {
            double operations = result.Work.PrefillGops(row.Prefill.Median);
            prefill.Add(Text(row.Prompt, "F0"), Text(row.Prefill.Median, "F1"), Text(row.Prefill.Min, "F1"), Text(row.Prefill.Max, "F1"), Text(operations, "F0"), Share(operations / byteOrFloat));
        }

        prefill.Write(output);
        var decode = new ReportTable($"{result.Model}, {setup}: decode", "sequences", "prompt", "tokens", "tok/s", "min", "max", "GB/s", "of memory", "GOPS", "of ceiling");
        foreach (EngineBenchRow row in result.Rows)
        {
            double rate = row.Decode.Median;
            double gigabytes = Gigabytes(result, row);
            double operations = result.Work.DecodeGops(rate);
            decode.Add(
                Text(row.Sequences, "F0"), Text(row.Prompt, "F0"), Text(row.Generate, "F0"), Text(rate, "F2"), Text(row.Decode.Min, "F2"), Text(row.Decode.Max, "F2"),
                Text(gigabytes, "F1"), Share(gigabytes / result.Ceilings.ReadGigabytesPerSecond), Text(operations, "F0"), Share(operations / byteOrFloat));
        }

        decode.Write(output);
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"Loaded in {result.Load.TotalSeconds:F2} s; first token {result.FirstToken.TotalSeconds:F2} s after opening the file. Rates are medians of {result.Rows.Min(row => row.Decode.Count)} or more."));
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"Ceilings measured in this run: memory {result.Ceilings.ReadGigabytesPerSecond:F1} GB/s, int8 {result.Ceilings.Int8Gops:F0} GOPS, float32 {result.Ceilings.Float32Gflops:F0} GFLOPS."));
    }

    /// <summary>One object per combination; its rates are medians.</summary>
    public static IEnumerable<JsonObject> Json(EngineBenchResult result, bool withContinuations)
    {
        foreach (EngineBenchRow row in result.Rows)
        {
            var json = new JsonObject
            {
                ["engine"] = "helixflow",
                ["model"] = result.Model,
                ["threads"] = result.Room.Threads,
                ["quantize"] = result.Room.Quantize?.ToString(),
                ["kv_type"] = result.Room.KvType.ToString(),
                ["sequences"] = row.Sequences,
                ["prompt"] = row.Prompt,
                ["generate"] = row.Generate,
                ["load_seconds"] = Math.Round(result.Load.TotalSeconds, 3),
                ["first_token_seconds"] = Math.Round(result.FirstToken.TotalSeconds, 3),
                ["prefill_tokens_per_second"] = Math.Round(row.Prefill.Median, 1),
                ["prefill_tokens_per_second_min"] = Math.Round(row.Prefill.Min, 1),
                ["prefill_tokens_per_second_max"] = Math.Round(row.Prefill.Max, 1),
                ["prefill_measurements"] = row.Prefill.Count,
                ["prefill_gops"] = Math.Round(result.Work.PrefillGops(row.Prefill.Median), 1),
                ["decode_tokens_per_second"] = Math.Round(row.Decode.Median, 2),
                ["decode_tokens_per_second_min"] = Math.Round(row.Decode.Min, 2),
                ["decode_tokens_per_second_max"] = Math.Round(row.Decode.Max, 2),
                ["decode_measurements"] = row.Decode.Count,
                ["decode_gops"] = Math.Round(result.Work.DecodeGops(row.Decode.Median), 1),
                ["decode_gigabytes_per_second"] = Math.Round(Gigabytes(result, row), 2),
                ["memory_share"] = Math.Round(Gigabytes(result, row) / result.Ceilings.ReadGigabytesPerSecond, 3),
                ["prefill_operation_share"] = Math.Round(result.Work.PrefillGops(row.Prefill.Median) / OperationCeiling(result), 3),
                ["decode_operation_share"] = Math.Round(result.Work.DecodeGops(row.Decode.Median) / OperationCeiling(result), 3),
                ["ceiling_gigabytes_per_second"] = Math.Round(result.Ceilings.ReadGigabytesPerSecond, 2),
                ["ceiling_int8_gops"] = Math.Round(result.Ceilings.Int8Gops, 1),
                ["ceiling_float32_gflops"] = Math.Round(result.Ceilings.Float32Gflops, 1),
            };
            if (withContinuations)
            {
                json["continuations"] = new JsonArray([.. row.Continuations.Select(tokens => new JsonArray([.. tokens.Select(token => JsonValue.Create(token))]))]);
            }

            yield return json;
        }
    }

    private static string Setup(EngineRoom room)
    {
        string threads = room.Threads == 1 ? "1 thread" : $"{room.Threads} threads";
        return $"{(room.Quantize is { } type ? $"rounded to {type}, " : "")}{threads}, {room.KvType} keys and values";
    }

    internal static double Gigabytes(EngineBenchResult result, EngineBenchRow row) =>
        result.Work.DecodeGigabytes(row.Decode.Median, row.Sequences, row.Prompt + (row.Generate / 2.0));

    private static double OperationCeiling(EngineBenchResult result) => result.Work.IsQuantised ? result.Ceilings.Int8Gops : result.Ceilings.Float32Gflops;

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private static string Share(double share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:F0} %");
}
