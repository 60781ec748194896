namespace HelixFlow.Benchmarks.Rpc;

/// <summary>What is measured, and the C++ APIs that were fastest at it (docs/grpc-benchmark.md has the matrix).</summary>
/// <param name="Name">What the clients are told.</param>
/// <param name="Title">For the table.</param>
/// <param name="CppServer">The C++ server's API and its threads.</param>
/// <param name="CppClient">The C++ client's API.</param>
internal sealed record GrpcScenario(string Name, string Title, string CppServer, string CppClient)
{
    public static IReadOnlyList<GrpcScenario> All { get; } =
    [
        new("unary-1", "unary calls/s, 1 in flight", "queue 1", "queue"),
        new("unary-64", "unary calls/s, 64 in flight", "callback", "callback"),
        new("stream", "streamed messages/s, 1 stream", "sync 1", "callback"),
    ];
}
