using System.Text.Json;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Responses;

/// <summary>A response while it comes into being, and how clients see it. Used by one thread at a time.</summary>
/// <param name="id">Its id.</param>
/// <param name="createdAt">Seconds since 1970.</param>
/// <param name="request">What was asked for; the response repeats it.</param>
internal sealed class ResponseObject(string id, long createdAt, ResponseRequest request)
{
    public string Id { get; } = id;

    public long CreatedAt { get; } = createdAt;

    public ResponseRequest Request { get; } = request;

    /// <summary>queued, in_progress, completed, incomplete, failed or cancelled.</summary>
    public string Status { get; set; } = request.Background ? "queued" : "in_progress";

    /// <summary>Seconds since 1970; null unless it is completed.</summary>
    public long? CompletedAt { get; set; }

    /// <summary>Why it failed; null unless it did.</summary>
    public (string Code, string Message)? Error { get; set; }

    /// <summary>Why it is incomplete; null unless it is.</summary>
    public string? IncompleteReason { get; set; }

    public List<OutputItem> Output { get; } = [];

    /// <summary>Null until it is known.</summary>
    public Usage? Usage { get; set; }

    /// <summary>Writes the object. While it is in progress, its output is not shown: the stream's events tell of it.</summary>
    public void Write(Utf8JsonWriter json)
    {
        bool isOpen = Status is "queued" or "in_progress";
        json.WriteStartObject();
        json.WriteString("id"u8, Id);
        json.WriteString("object"u8, "response"u8);
        json.WriteNumber("created_at"u8, CreatedAt);
        json.WriteString("status"u8, Status);
        json.WriteBoolean("background"u8, Request.Background);
        WriteNumber(json, "completed_at"u8, CompletedAt);
        if (Request.Conversation is { } conversation)
        {
            json.WriteStartObject("conversation"u8);
            json.WriteString("id"u8, conversation);
            json.WriteEndObject();
        }

        WriteError(json);
        json.WriteNumber("frequency_penalty"u8, Request.Generate.Sampling.FrequencyPenalty);
        WriteIncomplete(json);
        json.WriteString("instructions"u8, Request.Instructions);
        WriteNumber(json, "max_output_tokens"u8, Request.Generate.HasMaxTokens ? Request.Generate.MaxTokens : null);
        WriteNumber(json, "max_tool_calls"u8, Request.MaxToolCalls);
        json.WriteString("model"u8, Request.Generate.Model);
        json.WriteStartArray("output"u8);
        foreach (OutputItem item in isOpen ? [] : Output)
        {
            item.Write(json);
        }

        json.WriteEndArray();
        json.WriteBoolean("parallel_tool_calls"u8, !Request.Tools.IsSingle);
        json.WriteNumber("presence_penalty"u8, Request.Generate.Sampling.PresencePenalty);
        json.WriteString("previous_response_id"u8, Request.PreviousResponse);
        json.WriteString("prompt_cache_key"u8, Request.CacheKey);
        json.WriteString("prompt_cache_retention"u8, Request.CacheRetention);
        json.WriteStartObject("reasoning"u8);
        json.WriteString("effort"u8, Request.Effort);
        json.WriteString("summary"u8, Request.Summary);
        json.WriteEndObject();
        json.WriteString("safety_identifier"u8, Request.SafetyIdentifier);
        json.WriteString("service_tier"u8, isOpen ? Request.ServiceTier ?? "auto" : "default");
        json.WriteBoolean("store"u8, Request.Store);
        // Unset, the model's own defaults hold, which its node knows.
        WriteNumber(json, "temperature"u8, Request.Generate.Sampling.HasTemperature ? Request.Generate.Sampling.Temperature : null);
        WriteRaw(json, "text"u8, Request.TextJson);
        WriteRaw(json, "tool_choice"u8, Request.Tools.ChoiceJson);
        WriteRaw(json, "tools"u8, Request.Tools.Json);
        json.WriteNumber("top_logprobs"u8, Request.TopLogprobs);
        WriteNumber(json, "top_p"u8, Request.Generate.Sampling.HasTopP ? Request.Generate.Sampling.TopP : null);
        json.WriteString("truncation"u8, Request.Truncate ? "auto"u8 : "disabled"u8);
        WriteUsage(json);
        json.WriteString("user"u8, Request.User);
        WriteRaw(json, "metadata"u8, Request.MetadataJson);
        json.WriteEndObject();
    }

    private void WriteError(Utf8JsonWriter json)
    {
        if (Error is not { } error)
        {
            json.WriteNull("error"u8);
            return;
        }

        json.WriteStartObject("error"u8);
        json.WriteString("code"u8, error.Code);
        json.WriteString("message"u8, error.Message);
        json.WriteEndObject();
    }

    private void WriteIncomplete(Utf8JsonWriter json)
    {
        if (IncompleteReason is not { } reason)
        {
            json.WriteNull("incomplete_details"u8);
            return;
        }

        json.WriteStartObject("incomplete_details"u8);
        json.WriteString("reason"u8, reason);
        json.WriteEndObject();
    }

    private void WriteUsage(Utf8JsonWriter json)
    {
        if (Usage is not { } usage)
        {
            json.WriteNull("usage"u8);
            return;
        }

        json.WriteStartObject("usage"u8);
        json.WriteNumber("input_tokens"u8, usage.PromptTokens);
        json.WriteStartObject("input_tokens_details"u8);
        json.WriteNumber("cache_write_tokens"u8, 0);
        json.WriteNumber("cached_tokens"u8, usage.CachedTokens);
        json.WriteEndObject();
        json.WriteNumber("output_tokens"u8, usage.CompletionTokens);
        json.WriteStartObject("output_tokens_details"u8);
        json.WriteNumber("reasoning_tokens"u8, usage.ReasoningTokens);
        json.WriteEndObject();
        json.WriteNumber("total_tokens"u8, usage.PromptTokens + usage.CompletionTokens);
        json.WriteEndObject();
    }

    private static void WriteNumber(Utf8JsonWriter json, ReadOnlySpan<byte> name, long? value)
    {
        json.WritePropertyName(name);
        if (value is { } number)
        {
            json.WriteNumberValue(number);
        }
        else
        {
            json.WriteNullValue();
        }
    }

    private static void WriteNumber(Utf8JsonWriter json, ReadOnlySpan<byte> name, float? value)
    {
        json.WritePropertyName(name);
        if (value is { } number)
        {
            json.WriteNumberValue(number);
        }
        else
        {
            json.WriteNullValue();
        }
    }

    private static void WriteRaw(Utf8JsonWriter json, ReadOnlySpan<byte> name, string value)
    {
        json.WritePropertyName(name);
        json.WriteRawValue(value, skipInputValidation: true);
    }
}
