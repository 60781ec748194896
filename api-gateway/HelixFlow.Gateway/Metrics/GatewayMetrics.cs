using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Metrics;

/// <summary>Counts what the gateway serves and shows it, with the pool's load, as Prometheus text at <c>GET /metrics</c>.</summary>
/// <remarks>Thread-safe. One set of histograms per model; names follow Prometheus' conventions, times are in seconds.</remarks>
internal sealed class GatewayMetrics
{
    private readonly ConcurrentDictionary<(string Path, int Status), long> _requests = new();
    private readonly ConcurrentDictionary<string, ModelTimes> _models = new();

    /// <summary>Times a generation of a model that exists, from the moment its request arrived.</summary>
    public GenerationTimer Time(string model, TimeProvider time, long arrived) => new(_models.GetOrAdd(model, static _ => new ModelTimes()), time, arrived);

    /// <summary>Counts a response.</summary>
    public void Count(string path, int status) => _requests.AddOrUpdate((path, status), 1, static (_, count) => count + 1);

    public async Task WriteAsync(HttpContext context, IInferencePool pool)
    {
        NodeLoad load = await pool.GetLoadAsync(new GetLoadRequest(), context.RequestAborted);
        var text = new StringBuilder();
        Family(text, "helixflow_kv_blocks", "gauge", "Blocks of the key/value cache by state; held ones belong to running sequences.");
        Sample(text, "helixflow_kv_blocks{state=\"held\"}", load.KvBlocksHeld);
        Sample(text, "helixflow_kv_blocks{state=\"cached\"}", load.KvBlocksCached);
        Sample(text, "helixflow_kv_blocks{state=\"total\"}", load.KvBlocksTotal);
        Family(text, "helixflow_sequences", "gauge", "Sequences by state.");
        Sample(text, "helixflow_sequences{state=\"running\"}", load.Running);
        Sample(text, "helixflow_sequences{state=\"waiting\"}", load.Waiting);
        Family(text, "helixflow_prompt_tokens_total", "counter", "Prompt tokens of all requests that ran.");
        Sample(text, "helixflow_prompt_tokens_total", load.PromptTokensTotal);
        Family(text, "helixflow_generated_tokens_total", "counter", "Tokens sampled.");
        Sample(text, "helixflow_generated_tokens_total", load.GeneratedTokensTotal);
        Family(text, "helixflow_engine_steps_total", "counter", "Steps of all engines.");
        Sample(text, "helixflow_engine_steps_total", load.StepsTotal);
        Family(text, "helixflow_http_requests_total", "counter", "Responses by route and status.");
        foreach (((string path, int status), long count) in _requests)
        {
            Sample(text, $"helixflow_http_requests_total{{path=\"{path}\",status=\"{status}\"}}", count);
        }

        Histogram.WriteFamily(text, "helixflow_time_to_first_token_seconds", "From the request to its first token.", _models, static times => times.FirstToken);
        Histogram.WriteFamily(text, "helixflow_inter_token_seconds", "Between two tokens of a stream.", _models, static times => times.InterToken);
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        await context.Response.WriteAsync(text.ToString(), context.RequestAborted);
    }

    private static void Family(StringBuilder text, string name, string type, string help) =>
        text.Append("# HELP ").Append(name).Append(' ').Append(help).Append("\n# TYPE ").Append(name).Append(' ').Append(type).Append('\n');

    private static void Sample(StringBuilder text, string name, double value) =>
        text.Append(name).Append(' ').Append(value.ToString(CultureInfo.InvariantCulture)).Append('\n');
}

/// <summary>The times of one model's generations.</summary>
internal sealed class ModelTimes
{
    public Histogram FirstToken { get; } = new(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30);

    public Histogram InterToken { get; } = new(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5);
}

/// <summary>Times one generation; used by its request's thread.</summary>
internal sealed class GenerationTimer(ModelTimes times, TimeProvider time, long arrived)
{
    private long _last = arrived;
    private bool _started;

    /// <summary>A token has arrived.</summary>
    public void Token()
    {
        double seconds = time.GetElapsedTime(_last).TotalSeconds;
        (_started ? times.InterToken : times.FirstToken).Record(seconds);
        _started = true;
        _last = time.GetTimestamp();
    }
}
