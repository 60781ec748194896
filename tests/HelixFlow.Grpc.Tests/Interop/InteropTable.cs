using System.Collections.Concurrent;
using System.Text;

namespace HelixFlow.Grpc.Tests.Interop;

/// <summary>Who calls whom.</summary>
public enum Direction
{
    /// <summary>HelixFlow.Grpc's client calls the peer's server.</summary>
    Calling,

    /// <summary>The peer's client calls HelixFlow.Grpc's server.</summary>
    Serving,
}

/// <summary>What protects the connection.</summary>
public enum Security
{
    Plain,
    Tls,

    /// <summary>TLS where the client shows a certificate too.</summary>
    Mutual,
}

/// <summary>One case with one peer in one direction.</summary>
internal sealed record Cell(Direction Direction, string Peer, string Case, Security Security);

/// <summary>How far a case can be carried out with a peer; the tests hold each cell to it.</summary>
internal enum Extent
{
    Whole,
    InPart,
    NotPossible,
}

/// <summary>All cells, what is expected of each, and the document that tells of them.</summary>
internal static class InteropTable
{
    private const string VersionsMark = "Peers: ";

    private static readonly string[] Published =
    [
        "empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream", "cancel_after_begin",
        "cancel_after_first_response", "timeout_on_sleeping_server", "status_code_and_message", "special_status_message", "custom_metadata",
        "unimplemented_method", "unimplemented_service", "client_compressed_unary", "server_compressed_unary", "client_compressed_streaming",
        "server_compressed_streaming",
    ];

    private static readonly (string Case, Security Security)[] Rows =
    [
        .. Published.Select(name => (name, Security.Plain)),
        ("empty_unary", Security.Tls), ("ping_pong", Security.Tls), ("empty_unary", Security.Mutual), ("ping_pong", Security.Mutual),
        ("peer_identity", Security.Mutual), ("refused_without_certificate", Security.Mutual), ("health", Security.Plain), ("reflection", Security.Plain),
    ];

    private static readonly Dictionary<Cell, (Extent Extent, string Why)> Exceptions = new()
    {
        [new(Direction.Calling, "grpc-js", "server_compressed_unary", Security.Plain)] = (Extent.NotPossible, "grpc-js's server does not compress responses."),
        [new(Direction.Calling, "grpc-js", "server_compressed_streaming", Security.Plain)] = (Extent.NotPossible, "grpc-js's server does not compress responses."),
        [new(Direction.Calling, "grpcio", "client_compressed_unary", Security.Plain)] =
            (Extent.InPart, "Without the probe: grpcio does not tell its server whether a request was compressed, so it cannot refuse one."),
        [new(Direction.Calling, "grpcio", "client_compressed_streaming", Security.Plain)] =
            (Extent.InPart, "Without the probe: grpcio does not tell its server whether a request was compressed, so it cannot refuse one."),
        [new(Direction.Serving, "grpcio", "client_compressed_streaming", Security.Plain)] =
            (Extent.InPart, "Each message in a call of its own: grpcio's client switches compression for whole calls only."),
    };

    public static IEnumerable<Cell> Cells =>
        from row in Rows
        from peer in Peer.All
        from direction in (Direction[])[Direction.Calling, Direction.Serving]
        where Applies(row.Case, direction, peer.Name)
        select new Cell(direction, peer.Name, row.Case, row.Security);

    public static Extent ExtentOf(Cell cell) => Exceptions.TryGetValue(cell, out (Extent Extent, string Why) exception) ? exception.Extent : Extent.Whole;

    /// <summary>The document's lines but for that which names versions, which are the machine's and not the document's.</summary>
    public static IEnumerable<string> WithoutVersions(string document) =>
        document.ReplaceLineEndings("\n").TrimEnd('\n').Split('\n').Where(line => !line.StartsWith(VersionsMark, StringComparison.Ordinal));

    /// <summary>The document for these outcomes.</summary>
    public static string Render(string versions, Func<Cell, string> outcomeOf)
    {
        var notes = new List<string>();
        var text = new StringBuilder();
        text.Append("""
            # gRPC interoperability

            `HelixFlow.Grpc` against two foreign implementations, in both directions, with the cases that gRPC publishes for this purpose
            (`doc/interop-test-descriptions.md` in grpc/grpc). "calls" is HelixFlow's client against the peer's server, "serves" the peer's client
            against HelixFlow's server. Whether a message was compressed is read from the bytes on the connection, not from what a library says.
            The last rows go beyond the published cases: TLS, mutual TLS (the client's name as the server sees it, and a client without a
            certificate), the health service and server reflection, each asked by a client that others wrote.

            The peers' programs are in `tests/interop/grpc`, HelixFlow's side in `tests/HelixFlow.Grpc.Tests/Interop`. Each run of the tests writes
            this document anew from what it saw, and a test holds the committed one to it:

            ```
            ./helixflow test Grpc.Tests -- -namespace 'HelixFlow.Grpc.Tests.Interop' && cp artifacts/grpc-interop.md docs/grpc-interop.md
            ```


            """);
        text.Append(VersionsMark).Append(versions).Append(".\n\n");
        text.Append("| case |");
        foreach (Peer peer in Peer.All)
        {
            text.Append($" calls {peer.Name} | serves {peer.Name} |");
        }

        text.Append("\n| --- |").Insert(text.Length, " --- | --- |", Peer.All.Count).Append('\n');
        foreach ((string name, Security security) in Rows)
        {
            text.Append($"| {name}{Suffix(security)} |");
            foreach (Peer peer in Peer.All)
            {
                foreach (Direction direction in (Direction[])[Direction.Calling, Direction.Serving])
                {
                    var cell = new Cell(direction, peer.Name, name, security);
                    text.Append($" {(Applies(name, direction, peer.Name) ? outcomeOf(cell) + Note(cell, notes) : "—")} |");
                }
            }

            text.Append('\n');
        }

        text.Append('\n');
        for (int i = 0; i < notes.Count; i++)
        {
            text.Append($"{i + 1}. {notes[i]}\n");
        }

        return text.ToString();
    }

    /// <summary>How a cell that holds is named.</summary>
    public static string NameOf(Extent extent) => extent switch
    {
        Extent.Whole => "passed",
        Extent.InPart => "in part",
        Extent.NotPossible => "not possible",
        _ => throw new ArgumentOutOfRangeException(nameof(extent)),
    };

    private static bool Applies(string name, Direction direction, string peer) => name switch
    {
        "peer_identity" => direction == Direction.Serving,
        "reflection" => direction == Direction.Serving && peer == "grpc-js",
        _ => true,
    };

    private static string Suffix(Security security) => security switch
    {
        Security.Plain => "",
        Security.Tls => ", TLS",
        Security.Mutual => ", mutual TLS",
        _ => throw new ArgumentOutOfRangeException(nameof(security)),
    };

    private static string Note(Cell cell, List<string> notes)
    {
        if (!Exceptions.TryGetValue(cell, out (Extent Extent, string Why) exception))
        {
            return "";
        }

        int at = notes.IndexOf(exception.Why);
        if (at < 0)
        {
            notes.Add(exception.Why);
            at = notes.Count - 1;
        }

        return $" ({at + 1})";
    }
}

/// <summary>The servers that the cases share, and what became of each cell; the document is written when all cases have run.</summary>
public sealed class InteropRun : IAsyncLifetime
{
    private readonly ConcurrentDictionary<Cell, string> _outcomes = new();
    private readonly Dictionary<Security, InteropServer> _own = [];
    private readonly Dictionary<(string Peer, Security Security), PeerServer> _peers = [];

    internal Certificates Certificates { get; } = new();

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (PeerServer server in _peers.Values)
        {
            await server.DisposeAsync();
        }

        foreach (InteropServer server in _own.Values)
        {
            await server.DisposeAsync();
        }

        Certificates.Dispose();
        if (_outcomes.IsEmpty)
        {
            return;
        }

        string versions = string.Join(", ", Peer.All.Select(peer => peer.Missing is null ? peer.Version : peer.Name + " (not installed)"));
        string document = InteropTable.Render(versions, cell => _outcomes.GetValueOrDefault(cell, "not run"));
        await File.WriteAllTextAsync(Path.Combine(Peer.Root, "artifacts/grpc-interop.md"), document);
    }

    internal async Task<InteropServer> OwnAsync(Security security)
    {
        if (!_own.TryGetValue(security, out InteropServer? server))
        {
            _own.Add(security, server = await InteropServer.StartAsync(security == Security.Plain ? null : Certificates, security == Security.Mutual));
        }

        return server;
    }

    internal async Task<PeerServer> PeerAsync(Peer peer, Security security)
    {
        if (!_peers.TryGetValue((peer.Name, security), out PeerServer? server))
        {
            _peers.Add((peer.Name, security), server = await peer.StartServerAsync(Arguments(security)));
        }

        return server;
    }

    internal string[] Arguments(Security security) => security switch
    {
        Security.Plain => [],
        Security.Tls => ["--tls", Certificates.Folder],
        Security.Mutual => ["--tls", Certificates.Folder, "--mutual"],
        _ => throw new ArgumentOutOfRangeException(nameof(security)),
    };

    internal void Record(Cell cell, string outcome) => _outcomes[cell] = outcome;
}
