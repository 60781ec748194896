using System.Text.Json;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Ollama;

/// <summary>How long the parts of one generation took, as the gateway has seen it.</summary>
/// <remarks>
/// Loading lasts until a node has accepted the prompt (routing, queueing in the gateway and the load of the model, if it was needed), the
/// evaluation of the prompt until the first piece of the answer, that of the answer to its end. One per request, used by its thread.
/// </remarks>
internal sealed class OllamaTimes(TimeProvider time)
{
    private const long NanosecondsPerTick = 1_000_000_000 / TimeSpan.TicksPerSecond;

    private readonly long _arrived = time.GetTimestamp();
    private long? _accepted;
    private long? _first;
    private long? _ended;

    public void Accepted() => _accepted ??= time.GetTimestamp();

    public void Answering() => _first ??= time.GetTimestamp();

    public void Ended() => _ended ??= time.GetTimestamp();

    /// <summary>Writes the key for the whole duration, in nanoseconds.</summary>
    public void WriteTotal(Utf8JsonWriter json)
    {
        Ended();
        json.WriteNumber("total_duration"u8, Nanoseconds(_arrived, _ended));
    }

    /// <summary>Writes the keys for durations, in nanoseconds, and for numbers of tokens.</summary>
    public void Write(Utf8JsonWriter json, Usage? usage)
    {
        WriteTotal(json);
        json.WriteNumber("load_duration"u8, Nanoseconds(_arrived, _accepted ?? _ended));
        if (usage is not null)
        {
            json.WriteNumber("prompt_eval_count"u8, usage.PromptTokens);
            json.WriteNumber("prompt_eval_duration"u8, Nanoseconds(_accepted, _first ?? _ended));
            json.WriteNumber("eval_count"u8, usage.CompletionTokens);
            json.WriteNumber("eval_duration"u8, Nanoseconds(_first, _ended));
        }
    }

    private long Nanoseconds(long? from, long? to) => from is { } start && to is { } end ? time.GetElapsedTime(start, end).Ticks * NanosecondsPerTick : 0;
}
