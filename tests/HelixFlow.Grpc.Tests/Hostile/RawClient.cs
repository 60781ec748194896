using System.Net;
using System.Net.Sockets;
using HelixFlow.Grpc.Tests.Wire;

namespace HelixFlow.Grpc.Tests.Hostile;

/// <summary>What a server sent on one stream.</summary>
internal sealed class RawResponse
{
    public List<(string Name, string Value)> Headers { get; } = [];

    public List<byte> Body { get; } = [];

    /// <summary>The error code when the server reset the stream.</summary>
    public uint? Reset { get; set; }

    /// <summary>The connection was closed before the response ended.</summary>
    public bool Lost { get; set; }

    public string? this[string name] => Headers.FirstOrDefault(header => header.Name == name).Value;

    public int HttpStatus => int.Parse(this[":status"]!, System.Globalization.CultureInfo.InvariantCulture);

    public int? GrpcStatus => this["grpc-status"] is { } status ? int.Parse(status, System.Globalization.CultureInfo.InvariantCulture) : null;
}

/// <summary>An HTTP/2 client that sends what it is told to, one call after the other.</summary>
internal sealed class RawClient : IDisposable
{
    private readonly CancellationTokenSource _guard = new(TimeSpan.FromMinutes(5));
    private readonly Http2Frames _frames;
    private int _stream = -1;

    private RawClient(Socket socket) => _frames = new Http2Frames(socket);

    public Http2Frames Frames => _frames;

    public CancellationToken Guard => _guard.Token;

    public static async Task<RawClient> ConnectAsync(string address)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPEndPoint.Parse(address));
        var client = new RawClient(socket);
        await client._frames.StartClientAsync(client.Guard);
        return client;
    }

    /// <summary>The head of a correct call; a null value leaves a header out.</summary>
    public static IEnumerable<(string Name, string Value)> Head(string method, params (string Name, string? Value)[] changes)
    {
        var head = new List<(string Name, string? Value)>
        {
            (":method", "POST"), (":scheme", "http"), (":path", "/grpc.testing.TestService/" + method), (":authority", "test"),
            ("content-type", "application/grpc"), ("te", "trailers"),
        };
        foreach ((string name, string? value) in changes)
        {
            int at = head.FindIndex(header => header.Name == name);
            if (at >= 0)
            {
                head[at] = (name, value);
            }
            else
            {
                head.Add((name, value));
            }
        }

        return head.Where(header => header.Value is not null).Select(header => (header.Name, header.Value!));
    }

    /// <summary>Opens the next stream.</summary>
    public async Task<int> OpenAsync(IEnumerable<(string Name, string Value)> head, bool end = false)
    {
        _stream += 2;
        await _frames.SendHeadersAsync(_stream, head, end, Guard);
        return _stream;
    }

    /// <summary>A whole call with this body.</summary>
    public async Task<RawResponse> CallAsync(IEnumerable<(string Name, string Value)> head, byte[] body)
    {
        int stream = await OpenAsync(head);
        await _frames.SendDataAsync(stream, body, end: true, Guard);
        return await ReadAsync(stream);
    }

    /// <summary>Reads until this stream has ended.</summary>
    public async Task<RawResponse> ReadAsync(int stream)
    {
        var response = new RawResponse();
        while (await _frames.ReadAsync(Guard) is { } frame)
        {
            if (await _frames.AnswerAsync(frame, Guard))
            {
                continue;
            }

            if (frame.Type == FrameType.GoAway)
            {
                break;
            }

            // Header blocks of other streams cannot be skipped in HPACK's general case; without a dynamic table they can.
            if (frame.Stream != stream)
            {
                continue;
            }

            switch (frame.Type)
            {
                case FrameType.Headers:
                    response.Headers.AddRange(Hpack.Decode(frame.Content));
                    break;
                case FrameType.Data:
                    response.Body.AddRange(frame.Content.ToArray());
                    break;
                case FrameType.ResetStream:
                    response.Reset = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(frame.Payload);
                    return response;
            }

            if (frame.EndsStream)
            {
                return response;
            }
        }

        response.Lost = true;
        return response;
    }

    public void Dispose()
    {
        _frames.Dispose();
        _guard.Dispose();
    }
}
