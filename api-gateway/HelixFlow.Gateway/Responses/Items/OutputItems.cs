using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Responses.Items;

/// <summary>An item that the model produces. Grows while it is the response's last; used by one thread at a time.</summary>
internal abstract class OutputItem(string id)
{
    public string Id { get; } = id;

    /// <summary>in_progress, completed or incomplete.</summary>
    public string Status { get; set; } = "in_progress";

    /// <summary>Its text, or a call's arguments.</summary>
    public StringBuilder Text { get; } = new();

    /// <summary>Writes the item as it begins: without what it holds.</summary>
    public void WriteEmpty(Utf8JsonWriter json) => Write(json, isEmpty: true);

    public void Write(Utf8JsonWriter json) => Write(json, isEmpty: false);

    /// <summary>Writes its only part of content; a call has none.</summary>
    public virtual void WritePart(Utf8JsonWriter json, bool isEmpty) => throw new NotSupportedException();

    /// <summary>The item as later responses build on it.</summary>
    public virtual StoredItem ToStored() => new(Id, JsonText.Of(this, static (json, item) => item.Write(json)));

    protected abstract void Write(Utf8JsonWriter json, bool isEmpty);
}

/// <summary>What the model thought before it answered.</summary>
internal sealed class ReasoningOutput(string id) : OutputItem(id)
{
    public override void WritePart(Utf8JsonWriter json, bool isEmpty)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "reasoning_text"u8);
        json.WriteString("text"u8, isEmpty ? "" : Text.ToString());
        json.WriteEndObject();
    }

    protected override void Write(Utf8JsonWriter json, bool isEmpty)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, Id);
        json.WriteString("type"u8, "reasoning"u8);
        json.WriteString("status"u8, Status);
        json.WriteStartArray("summary"u8);
        json.WriteEndArray();
        json.WriteStartArray("content"u8);
        if (!isEmpty)
        {
            WritePart(json, isEmpty: false);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}

/// <summary>A file that a text rests on.</summary>
/// <param name="FileId">Its id.</param>
/// <param name="Filename">Its name.</param>
/// <param name="Index">How many characters of the text stand before the citation; one is a Unicode scalar value.</param>
internal sealed record FileCitation(string FileId, string Filename, int Index)
{
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "file_citation"u8);
        json.WriteString("file_id"u8, FileId);
        json.WriteString("filename"u8, Filename);
        json.WriteNumber("index"u8, Index);
        json.WriteEndObject();
    }
}

/// <summary>A text for the user.</summary>
internal sealed class MessageOutput(string id) : OutputItem(id)
{
    /// <summary>The text's tokens when their log probabilities were asked for.</summary>
    public List<TokenLogprob> Tokens { get; } = [];

    /// <summary>What the text cites.</summary>
    public List<FileCitation> Citations { get; } = [];

    public override void WritePart(Utf8JsonWriter json, bool isEmpty)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "output_text"u8);
        json.WriteStartArray("annotations"u8);
        foreach (FileCitation citation in isEmpty ? [] : Citations)
        {
            citation.Write(json);
        }

        json.WriteEndArray();
        LogprobJson.Write(json, "logprobs"u8, isEmpty ? [] : Tokens);
        json.WriteString("text"u8, isEmpty ? "" : Text.ToString());
        json.WriteEndObject();
    }

    protected override void Write(Utf8JsonWriter json, bool isEmpty)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, Id);
        json.WriteString("type"u8, "message"u8);
        json.WriteString("status"u8, Status);
        json.WriteStartArray("content"u8);
        if (!isEmpty)
        {
            WritePart(json, isEmpty: false);
        }

        json.WriteEndArray();
        json.WriteString("role"u8, "assistant"u8);
        json.WriteEndObject();
    }
}

/// <summary>A call of one of the client's functions.</summary>
internal sealed class CallOutput(string id, string callId, string name) : OutputItem(id)
{
    public string Name { get; } = name;

    protected override void Write(Utf8JsonWriter json, bool isEmpty)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, Id);
        json.WriteString("type"u8, "function_call"u8);
        json.WriteString("status"u8, Status);
        json.WriteString("arguments"u8, isEmpty ? "" : Text.ToString());
        json.WriteString("call_id"u8, callId);
        json.WriteString("name"u8, Name);
        json.WriteEndObject();
    }
}
