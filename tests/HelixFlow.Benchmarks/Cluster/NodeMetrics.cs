using System.Globalization;
using System.Net.Http.Headers;

namespace HelixFlow.Benchmarks.Cluster;

/// <summary>Reads a server's <c>/metrics</c>.</summary>
internal sealed class NodeMetrics : IDisposable
{
    private readonly HttpClient _client;

    public NodeMetrics(Uri server)
    {
        _client = new HttpClient { BaseAddress = server };
        _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", HttpTarget.Key);
    }

    /// <summary>A metric's sum over its labels; 0 when there is none.</summary>
    public async Task<double> SumAsync(string name, CancellationToken cancellationToken)
    {
        string text = await _client.GetStringAsync("/metrics", cancellationToken);
        double sum = 0;
        foreach (string line in text.Split('\n'))
        {
            if (line.StartsWith(name, StringComparison.Ordinal) && line.Length > name.Length && line[name.Length] is '{' or ' ')
            {
                sum += double.Parse(line.AsSpan(line.LastIndexOf(' ') + 1), CultureInfo.InvariantCulture);
            }
        }

        return sum;
    }

    public void Dispose() => _client.Dispose();
}
