using System.Globalization;

namespace HelixFlow.Cluster.Tests.Processes;

/// <summary>What a process says at /metrics, in Prometheus' text format.</summary>
internal sealed class Metrics(string text)
{
    public static async Task<Metrics> ReadAsync(HttpClient client, Uri process) => new(await client.GetStringAsync(new Uri(process, "/metrics")));

    /// <summary>The sum of a family's samples whose labels hold the text.</summary>
    public double Sum(string family, string labels = "") => text.Split('\n')
        .Where(line => line.StartsWith(family, StringComparison.Ordinal) && line.Length > family.Length && line[family.Length] is ' ' or '{')
        .Where(line => line.Contains(labels, StringComparison.Ordinal))
        .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));

    public override string ToString() => text;
}
