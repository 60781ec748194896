using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Anthropic;

/// <summary>Adds the events of one streamed message: its start, one block of content after the other, how it ended.</summary>
/// <remarks>One per response, used by one thread at a time. Nothing is sent before the stream is flushed.</remarks>
internal sealed class MessageEvents(EventStream stream, MessageJson message, bool omitsThinking)
{
    private enum Block
    {
        None,
        Thinking,
        Text,
        Call,
    }

    private readonly StringBuilder _thinking = new();
    private Block _open;
    private int _index;
    private bool _hasCalls;

    public void Begin(uint promptTokens) =>
        stream.Add("message_start"u8, (message, promptTokens), static (json, state) => state.message.WriteStart(json, state.promptTokens));

    public void Add(TokenChunk token)
    {
        if (token.Reasoning.Length > 0)
        {
            Open(Block.Thinking);
            _thinking.Append(token.Reasoning);
            if (!omitsThinking)
            {
                AddDelta("thinking_delta", "thinking", token.Reasoning);
            }
        }

        if (token.Text.Length > 0)
        {
            Open(Block.Text);
            AddDelta("text_delta", "text", token.Text);
        }

        foreach (ToolCallDelta call in token.ToolCalls)
        {
            if (call.Name.Length > 0)
            {
                OpenCall(call);
            }

            if (call.Arguments.Length > 0)
            {
                AddDelta("input_json_delta", "partial_json", call.Arguments);
            }
        }
    }

    /// <summary>The message is complete.</summary>
    public void End(Finish end, Usage usage)
    {
        Close();
        stream.Add("message_delta"u8, (message, end, _hasCalls, usage), static (json, state) => state.message.WriteDelta(json, state.end, state._hasCalls, state.usage));
        stream.Add("message_stop"u8, "message_stop", WriteBare);
    }

    /// <summary>Shows that the stream lives.</summary>
    public void Ping() => stream.Add("ping"u8, "ping", WriteBare);

    /// <summary>Ends the stream with an error.</summary>
    public static void AddError(EventStream stream, OpenAiError error, string requestId) =>
        stream.Add("error"u8, (error, requestId), static (json, state) => AnthropicErrors.Write(json, state.error, state.requestId));

    private void Open(Block block)
    {
        if (_open == block)
        {
            return;
        }

        Close();
        _open = block;
        stream.Add("content_block_start"u8, (_index, block), static (json, state) =>
        {
            BeginIndexed(json, "content_block_start", state._index);
            json.WriteStartObject("content_block"u8);
            string kind = state.block == Block.Text ? "text" : "thinking";
            json.WriteString("type"u8, kind);
            json.WriteString(kind, ""u8);
            if (state.block == Block.Thinking)
            {
                json.WriteString("signature"u8, ""u8);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        });
        PingAfterFirst();
    }

    private void OpenCall(ToolCallDelta call)
    {
        Close();
        _open = Block.Call;
        _hasCalls = true;
        stream.Add("content_block_start"u8, (_index, Id: message.IdOf(call.Index), call.Name), static (json, state) =>
        {
            BeginIndexed(json, "content_block_start", state._index);
            json.WriteStartObject("content_block"u8);
            json.WriteString("type"u8, "tool_use"u8);
            json.WriteString("id"u8, state.Id);
            json.WriteString("name"u8, state.Name);
            json.WriteStartObject("input"u8);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndObject();
        });
        PingAfterFirst();
    }

    // Where Anthropic's streams have their first.
    private void PingAfterFirst()
    {
        if (_index == 0)
        {
            Ping();
        }
    }

    private void Close()
    {
        if (_open == Block.None)
        {
            return;
        }

        if (_open == Block.Thinking)
        {
            AddDelta("signature_delta", "signature", ThinkingSignature.Of(_thinking.ToString()));
            _thinking.Clear();
        }

        stream.Add("content_block_stop"u8, _index++, static (json, index) =>
        {
            BeginIndexed(json, "content_block_stop", index);
            json.WriteEndObject();
        });
        _open = Block.None;
    }

    private void AddDelta(string type, string key, string text) => stream.Add("content_block_delta"u8, (_index, type, key, text), static (json, state) =>
    {
        BeginIndexed(json, "content_block_delta", state._index);
        json.WriteStartObject("delta"u8);
        json.WriteString("type"u8, state.type);
        json.WriteString(state.key, state.text);
        json.WriteEndObject();
        json.WriteEndObject();
    });

    private static void BeginIndexed(Utf8JsonWriter json, string type, int index)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, type);
        json.WriteNumber("index"u8, index);
    }

    private static void WriteBare(Utf8JsonWriter json, string type)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, type);
        json.WriteEndObject();
    }
}
