using System.Net;
using System.Net.Sockets;
using HelixFlow.Grpc.Tests.Wire;

namespace HelixFlow.Grpc.Tests.Hostile;

/// <summary>What a server does with a call, told in frames.</summary>
internal delegate Task Script(Http2Frames frames, int stream, CancellationToken stopping);

/// <summary>An HTTP/2 server that answers each call with the next script, and the last script again and again.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new(TimeSpan.FromMinutes(5));
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Queue<Script> _scripts;
    private readonly Script _last;
    private readonly Task _serving;
    private readonly List<Task> _connections = [];
    private int _accepted;

    public RawServer(params Script[] scripts)
    {
        _scripts = new Queue<Script>(scripts);
        _last = scripts[^1];
        _listener.Start();
        _serving = ServeAsync();
    }

    public string Url => $"http://{_listener.LocalEndpoint}";

    /// <summary>Connections so far.</summary>
    public int Accepted => Volatile.Read(ref _accepted);

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Stop();
        await Task.WhenAll([_serving, .. _connections]);
        _stopping.Dispose();
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                Socket socket = await _listener.AcceptSocketAsync(_stopping.Token);
                Interlocked.Increment(ref _accepted);
                _connections.Add(ServeAsync(socket));
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // stopped
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        socket.NoDelay = true;
        using var frames = new Http2Frames(socket);
        try
        {
            if (!await frames.StartServerAsync(_stopping.Token))
            {
                return;
            }

            while (await frames.ReadAsync(_stopping.Token) is { } frame)
            {
                if (!await frames.AnswerAsync(frame, _stopping.Token) && frame.Type == FrameType.Headers)
                {
                    Script script;
                    lock (_scripts)
                    {
                        script = _scripts.TryDequeue(out Script? next) ? next : _last;
                    }

                    await script(frames, frame.Stream, _stopping.Token);
                }
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or ObjectDisposedException)
        {
            // the client has gone, the script has hung up, or the server was stopped
        }
    }
}
