using System.Text;
using System.Text.Json;
using HelixFlow.InferenceNode.Answers;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Tests.Answers;

/// <summary>An answer as a client would put it together from its chunks.</summary>
internal sealed record ReadAnswer(string Content, string Reasoning, IReadOnlyList<string> Calls)
{
    public static ToolCatalog Tools { get; } = new(JsonSerializer.Deserialize<JsonElement>("""
        [{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},"detail":{"type":"boolean"}}}}},
         {"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"},"c":{"type":"array"}}}}},
         {"type":"function","function":{"name":"empty"}}]
        """));

    /// <summary>Reads a text that comes in pieces, checking what holds for every stream of chunks.</summary>
    public static ReadAnswer Of(AnswerReader reader, IEnumerable<string> pieces)
    {
        var content = new StringBuilder();
        var reasoning = new StringBuilder();
        var calls = new List<(string Name, StringBuilder Arguments)>();
        foreach (string piece in pieces)
        {
            reader.Append(piece);
            Take();
        }

        reader.End();
        Take();
        return new ReadAnswer(content.ToString(), reasoning.ToString(), [.. calls.Select(call => $"{call.Name}({call.Arguments})")]);

        void Take()
        {
            var chunk = new TokenChunk();
            bool any = reader.TakeInto(chunk);
            Assert.Equal(any, chunk.Text.Length + chunk.Reasoning.Length + chunk.ToolCalls.Count > 0);
            content.Append(chunk.Text);
            reasoning.Append(chunk.Reasoning);
            foreach (ToolCallDelta delta in chunk.ToolCalls)
            {
                if (delta.Name.Length > 0)
                {
                    Assert.Equal(calls.Count, (int)delta.Index);
                    calls.Add((delta.Name, new StringBuilder()));
                }

                Assert.Equal(calls.Count - 1, (int)delta.Index);
                calls[^1].Arguments.Append(delta.Arguments);
            }
        }
    }

    public static ReadAnswer Of(ToolCallFamily family, params string[] pieces) => Of(Reader(family), pieces);

    public static AnswerReader Reader(ToolCallFamily family, bool single = false) =>
        new(null, false, output => new ToolCallFormat(family, true).CreateParser(Tools, output), single);

    public override string ToString() => $"{Content}|{Reasoning}|{string.Join('|', Calls)}";

    /// <summary>A text in pieces of a few characters.</summary>
    public static IEnumerable<string> Cut(string text, Random random)
    {
        for (int at = 0; at < text.Length;)
        {
            int length = Math.Min(random.Next(1, 6), text.Length - at);
            yield return text.Substring(at, length);
            at += length;
        }
    }
}
