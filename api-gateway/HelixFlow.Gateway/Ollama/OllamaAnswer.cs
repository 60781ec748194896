using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.ChatCompletions;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Ollama;

/// <summary>The objects of <c>/api/chat</c> and <c>/api/generate</c>, key by key in the order that Ollama sends them.</summary>
/// <remarks>Calls are told whole: in a stream, when the next one begins or the answer ends. One per response, used by one thread at a time.</remarks>
internal sealed class OllamaAnswer(OllamaRequest request, OllamaTimes times, TimeProvider time)
{
    private readonly ToolCallIds _ids = new();
    private readonly List<CollectedCall> _calls = [];
    private readonly StringBuilder _text = new();
    private readonly StringBuilder _thinking = new();
    private readonly List<TokenLogprob> _logprobs = [];
    private int _toldCalls;

    /// <summary>Takes a piece of the answer.</summary>
    public void Take(TokenChunk token)
    {
        _text.Append(token.Text);
        _thinking.Append(token.Reasoning);
        _logprobs.AddRange(token.Tokens);
        foreach (ToolCallDelta piece in token.ToolCalls)
        {
            if (piece.Index == _calls.Count)
            {
                _calls.Add(new CollectedCall(piece.Name));
            }

            _calls[(int)piece.Index].Arguments.Append(piece.Arguments);
        }
    }

    /// <summary>Whether there is something to tell before the answer ends: of the calls, all but the one that may go on.</summary>
    public bool HasNews => _text.Length > 0 || _thinking.Length > 0 || _logprobs.Count > 0 || _toldCalls < _calls.Count - 1;

    /// <summary>Writes what has been taken and not been told yet, as a piece of a stream.</summary>
    public void WritePiece(Utf8JsonWriter json)
    {
        Begin(json);
        WriteNews(json, _calls.Count - 1);
        json.WriteBoolean("done"u8, false);
        WriteLogprobs(json);
        json.WriteEndObject();
    }

    /// <summary>Writes what has been taken and not been told yet, and how the answer ended.</summary>
    public void WriteEnd(Utf8JsonWriter json, FinishReason reason, Usage usage)
    {
        Begin(json);
        WriteNews(json, _calls.Count);
        WriteDone(json, reason == FinishReason.Length ? "length" : "stop");
        times.Write(json, usage);
        WriteLogprobs(json);
        json.WriteEndObject();
    }

    /// <summary>Writes the answer to a request that has only loaded or unloaded the model.</summary>
    public void WriteLoaded(Utf8JsonWriter json)
    {
        Begin(json);
        WriteNews(json, 0);
        WriteDone(json, request.Unload ? "unload" : "load");
        times.Write(json, null);
        json.WriteEndObject();
    }

    private void Begin(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("model"u8, request.Model);
        json.WriteString("created_at"u8, time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture));
    }

    private static void WriteDone(Utf8JsonWriter json, string reason)
    {
        json.WriteBoolean("done"u8, true);
        json.WriteString("done_reason"u8, reason);
    }

    private void WriteNews(Utf8JsonWriter json, int completeCalls)
    {
        if (request.IsChat)
        {
            json.WriteStartObject("message"u8);
            json.WriteString("role"u8, "assistant"u8);
        }

        json.WriteString(request.IsChat ? "content"u8 : "response"u8, _text.ToString());
        _text.Clear();
        if (_thinking.Length > 0)
        {
            json.WriteString("thinking"u8, _thinking.ToString());
            _thinking.Clear();
        }

        if (request.IsChat)
        {
            WriteCalls(json, completeCalls);
            json.WriteEndObject();
        }
    }

    private void WriteCalls(Utf8JsonWriter json, int complete)
    {
        if (_toldCalls >= complete)
        {
            return;
        }

        json.WriteStartArray("tool_calls"u8);
        for (; _toldCalls < complete; _toldCalls++)
        {
            json.WriteStartObject();
            json.WriteString("id"u8, _ids[0, (uint)_toldCalls]);
            json.WriteStartObject("function"u8);
            json.WriteNumber("index"u8, _toldCalls);
            json.WriteString("name"u8, _calls[_toldCalls].Name);
            json.WritePropertyName("arguments"u8);
            CallArguments.WriteObject(json, _calls[_toldCalls].Arguments.ToString());
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private void WriteLogprobs(Utf8JsonWriter json)
    {
        if (_logprobs.Count == 0)
        {
            return;
        }

        LogprobJson.Write(json, "logprobs"u8, _logprobs, omitsNone: true);
        _logprobs.Clear();
    }
}
