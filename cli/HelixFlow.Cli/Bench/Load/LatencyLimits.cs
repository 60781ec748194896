namespace HelixFlow.Cli.Bench.Load;

/// <summary>What users are promised; a request that keeps all of it counts for the goodput. Null sets no limit.</summary>
/// <param name="Ttft">Longest time to first token.</param>
/// <param name="Tpot">Longest time per output token after the first; answers of one token keep it.</param>
/// <param name="EndToEnd">Longest time to the end of the answer.</param>
internal sealed record LatencyLimits(TimeSpan? Ttft = null, TimeSpan? Tpot = null, TimeSpan? EndToEnd = null)
{
    public bool IsEmpty => Ttft is null && Tpot is null && EndToEnd is null;

    /// <summary>Reads texts such as ttft=500ms, tpot=50ms and e2e=10s; e2el, as vLLM calls it, means e2e.</summary>
    /// <returns>The limits, or what is wrong.</returns>
    public static (LatencyLimits Limits, string? Error) Parse(IEnumerable<string> texts)
    {
        var limits = new LatencyLimits();
        foreach (string text in texts)
        {
            string[] parts = text.Split('=', 2);
            if (parts.Length != 2 || DurationText.Parse(parts[1]) is not { } duration)
            {
                return (limits, $"--limit: '{text}' is not like ttft=500ms");
            }

            switch (parts[0])
            {
                case "ttft":
                    limits = limits with { Ttft = duration };
                    break;
                case "tpot":
                    limits = limits with { Tpot = duration };
                    break;
                case "e2e" or "e2el":
                    limits = limits with { EndToEnd = duration };
                    break;
                default:
                    return (limits, $"--limit: '{parts[0]}' is none of ttft, tpot and e2e");
            }
        }

        return (limits, null);
    }

    public bool AreKeptBy(RequestTrace trace) =>
        trace.IsCompleted && trace.Ttft <= (Ttft ?? TimeSpan.MaxValue) && (trace.Tpot ?? TimeSpan.Zero) <= (Tpot ?? TimeSpan.MaxValue)
        && trace.EndToEnd <= (EndToEnd ?? TimeSpan.MaxValue);
}
