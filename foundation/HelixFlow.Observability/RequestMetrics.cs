using System.Collections.Concurrent;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Observability;

/// <summary>
/// What became of generations and embeddings, by model, the former under the names and with the buckets that vLLM uses (vllm/v1/metrics/loggers.py), so that dashboards,
/// autoscalers and endpoint pickers made for it work unchanged. Thread-safe.
/// </summary>
public sealed class RequestMetrics
{
    private const string Label = "model_name";

    private readonly ConcurrentDictionary<string, ModelRequests> _models = new(StringComparer.Ordinal);

    /// <summary>The record of a model that exists; models that requests merely name must not get here.</summary>
    internal ModelRequests Of(string model) => _models.GetOrAdd(model, static _ => new ModelRequests());

    public void Write(PrometheusText text)
    {
        text.Family("vllm:request_success_total", "counter", "Finished choices by reason.");
        foreach ((string model, ModelRequests requests) in _models)
        {
            foreach (FinishReason reason in (ReadOnlySpan<FinishReason>)[FinishReason.Stop, FinishReason.Length, FinishReason.Cancelled, FinishReason.Error])
            {
                text.Sample("vllm:request_success_total", requests.Finished(reason), (Label, model), ("finished_reason", NameOf(reason)));
            }
        }

        Count(text, "helixflow_embedding_inputs_total", "Inputs that were turned into vectors.", static requests => requests.EmbeddedInputs);
        Count(text, "helixflow_embedding_tokens_total", "Tokens of those inputs.", static requests => requests.EmbeddedTokens);
        Write(text, "helixflow_embedding_batch_seconds", "From a batch of inputs to its vectors.", static requests => requests.EmbeddingBatch);
        Write(text, "vllm:time_to_first_token_seconds", "From the request to its first token.", static requests => requests.FirstToken);
        Write(text, "vllm:inter_token_latency_seconds", "Between two tokens of a choice.", static requests => requests.InterToken);
        Write(text, "vllm:request_time_per_output_token_seconds", "Mean time per token after the first, by request.", static requests => requests.PerToken);
        Write(text, "vllm:e2e_request_latency_seconds", "From the request to its end.", static requests => requests.EndToEnd);
        Write(text, "vllm:request_prompt_tokens", "Prompt tokens, by request.", static requests => requests.PromptTokens);
        Write(text, "vllm:request_generation_tokens", "Generated tokens, by request.", static requests => requests.GeneratedTokens);
        Write(text, "vllm:request_params_n", "The parameter n, by request.", static requests => requests.Choices);
        Write(text, "vllm:request_params_max_tokens", "The parameter max_tokens, by request that gave it.", static requests => requests.MaxTokens);
    }

    private void Count(PrometheusText text, string name, string help, Func<ModelRequests, long> pick)
    {
        text.Family(name, "counter", help);
        foreach ((string model, ModelRequests requests) in _models)
        {
            text.Sample(name, pick(requests), (Label, model));
        }
    }

    private void Write(PrometheusText text, string name, string help, Func<ModelRequests, Histogram> pick)
    {
        text.Family(name, "histogram", help);
        foreach ((string model, ModelRequests requests) in _models)
        {
            text.Histogram(name, pick(requests), Label, model);
        }
    }

    private static string NameOf(FinishReason reason) => reason switch
    {
        FinishReason.Stop => "stop",
        FinishReason.Length => "length",
        FinishReason.Cancelled => "abort",
        _ => "error",
    };
}

/// <summary>One model's generations and embeddings.</summary>
internal sealed class ModelRequests
{
    private static readonly double[] Tokens = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000];
    private static readonly double[] Intervals = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];

    private readonly long[] _finished = new long[Enum.GetValues<FinishReason>().Length];
    private long _embeddedInputs;
    private long _embeddedTokens;

    public Histogram FirstToken { get; } = new(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560);

    public Histogram InterToken { get; } = new(Intervals);

    public Histogram PerToken { get; } = new(Intervals);

    public Histogram EndToEnd { get; } = new(0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680);

    public Histogram PromptTokens { get; } = new(Tokens);

    public Histogram GeneratedTokens { get; } = new(Tokens);

    public Histogram Choices { get; } = new(1, 2, 5, 10, 20);

    public Histogram MaxTokens { get; } = new(Tokens);

    public Histogram EmbeddingBatch { get; } = new(Intervals);

    public long EmbeddedInputs => Volatile.Read(ref _embeddedInputs);

    public long EmbeddedTokens => Volatile.Read(ref _embeddedTokens);

    public void Embedded(int inputs, long tokens, TimeSpan taken)
    {
        Interlocked.Add(ref _embeddedInputs, inputs);
        Interlocked.Add(ref _embeddedTokens, tokens);
        EmbeddingBatch.Record(taken.TotalSeconds);
    }

    public long Finished(FinishReason reason) => Volatile.Read(ref _finished[(int)reason]);

    public void Finish(FinishReason reason) => Interlocked.Increment(ref _finished[(int)reason]);
}
