using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Handlers;

/// <summary>What a handler's program has said in one line, and what is wrong with it.</summary>
internal readonly struct HandlerMessage(JsonElement json)
{
    /// <summary>Reads a line.</summary>
    /// <exception cref="AttemptFailedException">It is no JSON object.</exception>
    public static HandlerMessage Parse(byte[] line)
    {
        try
        {
            JsonElement message = JsonElement.Parse(line);
            return message.ValueKind == JsonValueKind.Object ? new HandlerMessage(message) : throw new JsonException("it is no object");
        }
        catch (JsonException)
        {
            throw new AttemptFailedException(
                new RunError("handler_protocol", $"The handler wrote a line that is no JSON object (what is for people belongs on standard error): {Shortened(Encoding.UTF8.GetString(line))}"), isFinal: false);
        }
    }

    /// <summary>A text that must be there.</summary>
    public string Text(string name) => Field(name) is { ValueKind: JsonValueKind.String } value ? value.GetString()! : throw Wrong($"'{name}' must be a text");

    /// <summary>A text, or null.</summary>
    public string? OptionalText(string name) => Optional(name) is null or { ValueKind: JsonValueKind.Null } ? null : Text(name);

    public double Number(string name) =>
        Field(name) is { ValueKind: JsonValueKind.Number } value && value.GetDouble() is var number && double.IsFinite(number) ? number : throw Wrong($"'{name}' must be a number");

    public bool IsTrue(string name) => Optional(name) is { ValueKind: JsonValueKind.True };

    /// <summary>A list of objects that must be there.</summary>
    public List<HandlerMessage> Objects(string name) => Field(name) is { ValueKind: JsonValueKind.Array } list && list.EnumerateArray().All(static item => item.ValueKind == JsonValueKind.Object)
        ? [.. list.EnumerateArray().Select(static item => new HandlerMessage(item))]
        : throw Wrong($"'{name}' must be a list of objects");

    /// <summary>An object, or null.</summary>
    public HandlerMessage? Object(string name) => Optional(name) switch
    {
        null or { ValueKind: JsonValueKind.Null } => null,
        { ValueKind: JsonValueKind.Object } value => new HandlerMessage(value),
        _ => throw Wrong($"'{name}' must be an object"),
    };

    public JsonElement Field(string name) => Optional(name) ?? throw Wrong($"'{name}' is missing");

    public JsonElement? Optional(string name) => json.TryGetProperty(name, out JsonElement value) ? value : null;

    /// <summary>Reads the whole as something else.</summary>
    public T As<T>(System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type, string name)
    {
        try
        {
            return json.Deserialize(type)!;
        }
        catch (JsonException exception)
        {
            throw Wrong($"'{name}' cannot be read: {exception.Message}");
        }
    }

    public static AttemptFailedException Wrong(string what) => new(new RunError("handler_protocol", $"The handler wrote a message that cannot be understood: {what}."), isFinal: false);

    public static string Shortened(string text) => text.Length <= 200 ? text : text[..200] + "…";
}
