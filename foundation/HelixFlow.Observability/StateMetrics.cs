using System.Globalization;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Observability;

/// <summary>A node's or a pool's state as metrics, under vLLM's names and, for what it has no names for, our own.</summary>
public static class StateMetrics
{
    private const string Label = "model_name";

    public static void Write(PrometheusText text, NodeState state)
    {
        Each(text, state, "vllm:num_requests_running", "gauge", "Sequences that prefill or decode.", static model => model.Running);
        Each(text, state, "vllm:num_requests_waiting", "gauge", "Requests that wait for a step or for their model.", static model => model.Waiting);
        Each(text, state, "vllm:kv_cache_usage_perc", "gauge", "Share of the key/value blocks that running sequences hold; 1 is all.",
            static model => model.KvBlocksTotal == 0 ? 0 : (double)model.KvBlocksHeld / model.KvBlocksTotal);
        Each(text, state, "vllm:prompt_tokens_total", "counter", "Prompt tokens of all requests that ran.", static model => model.PromptTokensTotal);
        Each(text, state, "vllm:generation_tokens_total", "counter", "Tokens sampled.", static model => model.GeneratedTokensTotal);
        Each(text, state, "vllm:prompt_tokens_cached_total", "counter", "Prompt tokens found in the prefix cache.", static model => model.CachedTokensTotal);
        Each(text, state, "vllm:prefix_cache_queries_total", "counter", "Prompt tokens looked up in the prefix cache.", static model => model.PromptTokensTotal);
        Each(text, state, "vllm:prefix_cache_hits_total", "counter", "Prompt tokens found in the prefix cache.", static model => model.CachedTokensTotal);
        Each(text, state, "vllm:num_preemptions_total", "counter", "Sequences that gave their blocks back and started over.", static model => model.PreemptionsTotal);
        Each(text, state, "vllm:spec_decode_num_draft_tokens_total", "counter", "Guessed tokens that were run to be verified.", static model => model.ProposedTokensTotal);
        Each(text, state, "vllm:spec_decode_num_accepted_tokens_total", "counter", "Guessed tokens that proved right.", static model => model.AcceptedTokensTotal);
        text.Family("vllm:cache_config_info", "gauge", "How the key/value cache is laid out.");
        foreach (ModelState model in state.Models.Where(static model => model.KvBlocksTotal > 0))
        {
            text.Sample("vllm:cache_config_info", 1, (Label, model.Name), ("block_size", Text(model.KvBlockSize)), ("num_gpu_blocks", Text(model.KvBlocksTotal)));
        }

        WriteTotals(text, state);
        Each(text, state, "helixflow_computed_tokens_total", "counter", "Rows computed: prompt tokens, decode steps and recomputation; wrong guesses do not count.", static model => model.ComputedTokensTotal);
        Each(text, state, "helixflow_model_resident", "gauge", "1 while the model is loaded.", static model => model.Phase == ModelPhase.Resident ? 1 : 0);
        Each(text, state, "helixflow_model_load_progress_ratio", "gauge", "How far the load under way has come, 0 to 1.", static model => model.Phase == ModelPhase.Loading ? model.Progress : 0);
        Each(text, state, "helixflow_model_memory_bytes", "gauge", "What the model takes on its devices, or would.", static model => model.MemoryBytes);
        WriteDevices(text, state);
        text.Family("helixflow_requests", "gauge", "Generations under way.");
        text.Sample("helixflow_requests", state.Requests);
    }

    private static void WriteTotals(PrometheusText text, NodeState state)
    {
        text.Family("helixflow_kv_blocks", "gauge", "Blocks of the key/value caches by state; held ones belong to running sequences.");
        text.Sample("helixflow_kv_blocks", state.Models.Sum(static model => model.KvBlocksHeld), ("state", "held"));
        text.Sample("helixflow_kv_blocks", state.Models.Sum(static model => model.KvBlocksCached), ("state", "cached"));
        text.Sample("helixflow_kv_blocks", state.Models.Sum(static model => model.KvBlocksTotal), ("state", "total"));
        text.Family("helixflow_sequences", "gauge", "Sequences by state.");
        text.Sample("helixflow_sequences", state.Models.Sum(static model => model.Running), ("state", "running"));
        text.Sample("helixflow_sequences", state.Models.Sum(static model => model.Waiting), ("state", "waiting"));
        text.Family("helixflow_prompt_tokens_total", "counter", "Prompt tokens of all requests that ran.");
        text.Sample("helixflow_prompt_tokens_total", state.Models.Sum(static model => (double)model.PromptTokensTotal));
        text.Family("helixflow_generated_tokens_total", "counter", "Tokens sampled.");
        text.Sample("helixflow_generated_tokens_total", state.Models.Sum(static model => (double)model.GeneratedTokensTotal));
        text.Family("helixflow_proposed_tokens_total", "counter", "Guessed tokens that were run to be verified.");
        text.Sample("helixflow_proposed_tokens_total", state.Models.Sum(static model => (double)model.ProposedTokensTotal));
        text.Family("helixflow_accepted_tokens_total", "counter", "Guessed tokens that proved right.");
        text.Sample("helixflow_accepted_tokens_total", state.Models.Sum(static model => (double)model.AcceptedTokensTotal));
        text.Family("helixflow_engine_steps_total", "counter", "Steps of all engines.");
        text.Sample("helixflow_engine_steps_total", state.Models.Sum(static model => (double)model.StepsTotal));
    }

    private static void WriteDevices(PrometheusText text, NodeState state)
    {
        text.Family("helixflow_device_memory_budget_bytes", "gauge", "What models may take of a device's memory together.");
        foreach (DeviceState device in state.Devices)
        {
            text.Sample("helixflow_device_memory_budget_bytes", device.BudgetBytes, ("device", device.Id));
        }

        text.Family("helixflow_device_memory_used_bytes", "gauge", "What models take of a device's memory.");
        foreach (DeviceState device in state.Devices)
        {
            text.Sample("helixflow_device_memory_used_bytes", device.UsedBytes, ("device", device.Id));
        }
    }

    private static void Each(PrometheusText text, NodeState state, string name, string type, string help, Func<ModelState, double> value)
    {
        text.Family(name, type, help);
        foreach (ModelState model in state.Models)
        {
            text.Sample(name, value(model), (Label, model.Name));
        }
    }

    private static string Text(uint value) => value.ToString(CultureInfo.InvariantCulture);
}
