namespace HelixFlow.Gateway.Idempotency;

/// <summary>A finished answer, kept to be sent again. Streamed answers are kept as the bytes that were streamed.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Headers">What describes the body: its type, and how it may be kept.</param>
/// <param name="Body">The body.</param>
internal sealed record RecordedAnswer(int Status, IReadOnlyList<KeyValuePair<string, string>> Headers, ReadOnlyMemory<byte> Body);
