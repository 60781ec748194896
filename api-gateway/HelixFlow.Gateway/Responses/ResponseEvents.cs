using System.Buffers;
using System.Text.Json;
using HelixFlow.Gateway.ChatCompletions;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Responses;

/// <summary>Turns what a generation yields into a response's items and the events that tell of them, in the order in which OpenAI sends them.</summary>
/// <remarks>
/// One per response, used by one thread at a time. An item is opened by its first piece and closed when a piece of another kind follows:
/// output_item.added, content_part.added, deltas, done, content_part.done, output_item.done; a call has no parts.
/// </remarks>
/// <param name="response">Filled as events go by.</param>
/// <param name="emit">Gets each event's data.</param>
internal sealed partial class ResponseEvents(ResponseObject response, Action<byte[]> emit)
{
    private readonly ArrayBufferWriter<byte> _buffer = new();
    private readonly ToolCallIds _callIds = new();
    private readonly List<TokenLogprob> _tokens = []; // of text that has not come yet
    private OutputItem? _open;
    private FinishReason _reason;
    private int _next;

    /// <summary>A response that runs in the background exists.</summary>
    public void Queue()
    {
        response.Status = "queued";
        EmitResponse("response.created");
        EmitResponse("response.queued");
    }

    /// <summary>The prompt has been accepted.</summary>
    public void Begin()
    {
        response.Status = "in_progress";
        if (_next == 0)
        {
            EmitResponse("response.created");
        }

        EmitResponse("response.in_progress");
    }

    /// <summary>The model has produced more.</summary>
    public void Add(TokenChunk chunk)
    {
        if (chunk.Reasoning.Length > 0)
        {
            AddReasoning(chunk.Reasoning);
        }
        else if (response.Request.Logprobs && chunk.ToolCalls.Count == 0)
        {
            _tokens.AddRange(chunk.Tokens);
        }

        if (chunk.Text.Length > 0)
        {
            AddText(chunk.Text);
        }

        foreach (ToolCallDelta call in chunk.ToolCalls)
        {
            AddCall(call);
        }
    }

    /// <summary>The generation has ended by itself; the last item is closed.</summary>
    public void Finish(Finish finish)
    {
        _reason = finish.Reason;
        if (response.Output.Count == _before && !_isIgnoring)
        {
            OpenMessage(); // the model has said nothing: an empty message says so
        }

        string status = _reason == FinishReason.Length ? "incomplete" : "completed";
        Close(status);
        if (status == "incomplete")
        {
            TakeSearches().ForEach(search => EndSearch(search, status));
        }
    }

    /// <summary>The last event of a response that ended by itself, which is the caller's to send.</summary>
    /// <param name="now">Seconds since 1970.</param>
    public byte[] Complete(long now)
    {
        if (_reason == FinishReason.Length)
        {
            response.Status = "incomplete";
            response.IncompleteReason = "max_output_tokens";
            return ResponseEvent("response.incomplete");
        }

        response.Status = "completed";
        response.CompletedAt = now;
        return ResponseEvent("response.completed");
    }

    /// <summary>The last event of a response that failed, which is the caller's to send.</summary>
    public byte[] Fail(string code, string message)
    {
        Break();
        response.Status = "failed";
        response.Error = (code, message);
        return ResponseEvent("response.failed");
    }

    /// <summary>The response was cancelled; no event tells of it.</summary>
    public void Cancel()
    {
        Break();
        response.Status = "cancelled";
    }

    private void Break()
    {
        foreach (OutputItem item in response.Output.Where(static item => item.Status == "in_progress"))
        {
            item.Status = "incomplete";
        }

        _open = null;
    }

    private void AddReasoning(string text)
    {
        if (_open is not ReasoningOutput)
        {
            Open(new ReasoningOutput(ObjectId.New("rs_")), hasPart: true);
        }

        _open!.Text.Append(text);
        Emit(new Piece("response.reasoning_text.delta", text), static (json, self, piece) =>
        {
            self.WritePlace(json, withPart: true);
            json.WriteString("delta"u8, piece.Text);
        });
    }

    private void OpenMessage() => Open(new MessageOutput(ObjectId.New("msg_")), hasPart: true);

    private void AddText(string text)
    {
        if (_open is not MessageOutput)
        {
            OpenMessage();
        }

        if (_sources.Count > 0)
        {
            AddCitedText(text);
        }
        else
        {
            TellText(text);
        }
    }

    private void TellText(string text)
    {
        _open!.Text.Append(text);
        ((MessageOutput)_open).Tokens.AddRange(_tokens);
        Emit(new Piece("response.output_text.delta", text), static (json, self, piece) =>
        {
            self.WritePlace(json, withPart: true);
            json.WriteString("delta"u8, piece.Text);
            LogprobJson.Write(json, "logprobs"u8, self._tokens);
        });
        _tokens.Clear();
    }

    private void AddCall(ToolCallDelta call)
    {
        if (call.Name.Length > 0)
        {
            _tokens.Clear();
            if (IsSearch(call.Name))
            {
                OpenSearch();
                AddArguments(call.Arguments);
                return;
            }

            Open(new CallOutput(ObjectId.New("fc_"), _callIds[0, call.Index], call.Name), hasPart: false);
        }

        AddArguments(call.Arguments);
    }

    private void AddArguments(string arguments)
    {
        if (arguments.Length == 0)
        {
            return;
        }

        if (_open is SearchOutput)
        {
            _open.Text.Append(arguments); // told when they are whole
        }
        else if (_open is CallOutput)
        {
            _open.Text.Append(arguments);
            Emit(new Piece("response.function_call_arguments.delta", arguments), static (json, self, piece) =>
            {
                self.WritePlace(json, withPart: false);
                json.WriteString("delta"u8, piece.Text);
            });
        }
    }

    private void Open(OutputItem item, bool hasPart)
    {
        Close("completed");
        _open = item;
        response.Output.Add(item);
        Emit(new Piece("response.output_item.added", ""), static (json, self, _) =>
        {
            json.WriteNumber("output_index"u8, self.OpenIndex);
            json.WritePropertyName("item"u8);
            self._open!.WriteEmpty(json);
        });
        if (hasPart)
        {
            Emit(new Piece("response.content_part.added", ""), static (json, self, _) =>
            {
                self.WritePlace(json, withPart: true);
                json.WritePropertyName("part"u8);
                self._open!.WritePart(json, isEmpty: true);
            });
        }
    }

    private void Close(string status)
    {
        if (_open is null)
        {
            return;
        }

        if (_open is SearchOutput search)
        {
            _searches.Add(search); // searched when the model has said all
            _open = null;
            return;
        }

        if (_open is MessageOutput && _citations.Rest() is { Length: > 0 } rest)
        {
            TellText(rest);
        }

        string text = _open.Text.ToString();
        switch (_open)
        {
            case ReasoningOutput:
                Emit(new Piece("response.reasoning_text.done", text), static (json, self, piece) =>
                {
                    self.WritePlace(json, withPart: true);
                    json.WriteString("text"u8, piece.Text);
                });
                break;
            case MessageOutput message:
                message.Tokens.AddRange(_tokens);
                _tokens.Clear();
                Emit(new Piece("response.output_text.done", text), static (json, self, piece) =>
                {
                    self.WritePlace(json, withPart: true);
                    json.WriteString("text"u8, piece.Text);
                    LogprobJson.Write(json, "logprobs"u8, ((MessageOutput)self._open!).Tokens);
                });
                break;
            default:
                Emit(new Piece("response.function_call_arguments.done", text), static (json, self, piece) =>
                {
                    self.WritePlace(json, withPart: false);
                    json.WriteString("name"u8, ((CallOutput)self._open!).Name);
                    json.WriteString("arguments"u8, piece.Text);
                });
                break;
        }

        if (_open is not CallOutput)
        {
            Emit(new Piece("response.content_part.done", ""), static (json, self, _) =>
            {
                self.WritePlace(json, withPart: true);
                json.WritePropertyName("part"u8);
                self._open!.WritePart(json, isEmpty: false);
            });
        }

        _open.Status = status;
        Emit(new Piece("response.output_item.done", ""), static (json, self, _) =>
        {
            json.WriteNumber("output_index"u8, self.OpenIndex);
            json.WritePropertyName("item"u8);
            self._open!.Write(json);
        });
        _open = null;
    }

    private int OpenIndex => response.Output.Count - 1;

    private void WritePlace(Utf8JsonWriter json, bool withPart)
    {
        json.WriteString("item_id"u8, _open!.Id);
        json.WriteNumber("output_index"u8, OpenIndex);
        if (withPart)
        {
            json.WriteNumber("content_index"u8, 0);
        }
    }

    private void EmitResponse(string type) => emit(ResponseEvent(type));

    private byte[] ResponseEvent(string type) => Event(new Piece(type, ""), static (json, self, _) => self.WriteResponse(json));

    private void WriteResponse(Utf8JsonWriter json)
    {
        json.WritePropertyName("response"u8);
        response.Write(json);
    }

    private void Emit(Piece piece, Action<Utf8JsonWriter, ResponseEvents, Piece> write) => emit(Event(piece, write));

    private byte[] Event(Piece piece, Action<Utf8JsonWriter, ResponseEvents, Piece> write) =>
        Event((Self: this, piece, write), piece.Type, static (json, state) => state.write(json, state.Self, state.piece));

    private byte[] Event<T>(T state, string type, Action<Utf8JsonWriter, T> write)
    {
        _buffer.ResetWrittenCount();
        using var json = new Utf8JsonWriter(_buffer, JsonResponse.Options);
        json.WriteStartObject();
        json.WriteString("type"u8, type);
        json.WriteNumber("sequence_number"u8, _next++);
        write(json, state);
        json.WriteEndObject();
        json.Flush();
        return _buffer.WrittenSpan.ToArray();
    }

    /// <summary>The type of an event that one of these made, from its data.</summary>
    public static ReadOnlySpan<byte> TypeOf(ReadOnlySpan<byte> data)
    {
        data = data["{\"type\":\""u8.Length..];
        return data[..data.IndexOf((byte)'"')];
    }

    /// <summary>The event that says that a stream which has begun gives no response.</summary>
    public static byte[] Error(Errors.OpenAiError error) => JsonText.Utf8Of(error, static (json, error) =>
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "error"u8);
        json.WriteNumber("sequence_number"u8, 0);
        json.WriteString("code"u8, error.Code ?? error.Type);
        json.WriteString("message"u8, error.Message);
        json.WriteString("param"u8, error.Param);
        json.WriteEndObject();
    });

    private readonly record struct Piece(string Type, string Text);
}
