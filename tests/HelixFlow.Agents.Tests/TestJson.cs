using System.Text.Json.Serialization;

namespace HelixFlow.Agents.Tests;

[JsonSerializable(typeof(int))]
[JsonSerializable(typeof(long))]
[JsonSerializable(typeof(long[]))]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(NodeInput))]
internal sealed partial class TestJson : JsonSerializerContext;

/// <summary>What a node of a graph computes with.</summary>
internal sealed record NodeInput(int Node, long[] Values);
