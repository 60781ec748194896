using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace HelixFlow.Interop.Tests;

/// <summary>HTTP/1.1 and HTTP/2 on the one port of the API, with TLS and without.</summary>
public sealed class Http2Tests
{
    private const string Chat = """{"model":"helix-tiny","messages":[{"role":"user","content":"What is HelixFlow?"}],"stream":true}""";

    [Fact]
    public async Task Without_tls_a_client_that_begins_with_http2_gets_it_and_others_get_http1()
    {
        await using Server server = await Server.StartAsync();
        using HttpClient client = server.CreateClient();

        string first = await AskAsync(client, HttpVersion.Version11, Chat);
        string[] answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => AskAsync(client, HttpVersion.Version20, Chat)));

        Assert.Contains("HelixFlow", first, StringComparison.Ordinal);
        Assert.All(answers, answer => Assert.EndsWith("data: [DONE]\n\n", answer, StringComparison.Ordinal));
        Assert.Contains("\"error\"", await AskAsync(client, HttpVersion.Version20, "{"), StringComparison.Ordinal);
        foreach (string odd in (string[])["PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense that is no frame at all", "P", "\0\0\0"])
        {
            await SendRawAsync(server.Address, odd);
        }

        // In pieces, as a slow network brings it.
        Assert.StartsWith("HTTP/1.1 200", await SendRawAsync(server.Address, "G", "E", "T /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
        Assert.Equal(0, await server.TerminateAsync());
    }

    [Fact]
    public async Task With_tls_the_handshake_chooses()
    {
        using var folder = new TemporaryFolder();
        using X509Certificate2 certificate = folder.WriteCertificate();
        await using Server server = await Server.StartTrustedAsync(certificate, "--tls-cert", folder.CertificatePath, "--tls-key", folder.KeyPath);
        using HttpClient client = server.CreateClient();

        Assert.Equal("https", server.Address.Scheme);
        Assert.EndsWith("data: [DONE]\n\n", await AskAsync(client, HttpVersion.Version20, Chat), StringComparison.Ordinal);
        Assert.EndsWith("data: [DONE]\n\n", await AskAsync(client, HttpVersion.Version11, Chat), StringComparison.Ordinal);
    }

    /// <summary>RFC 8441: a WebSocket is a stream of a connection that others share.</summary>
    [Fact]
    public async Task A_websocket_opens_over_http2_beside_other_requests()
    {
        await using Server server = await Server.StartAsync();
        using var invoker = new HttpMessageInvoker(new SocketsHttpHandler());
        foreach ((string path, string first, string message, string last) in ((string, string, string, string)[])
            [
                ("/v1/realtime?model=helix-tiny", "session.created", """{"type":"response.create","response":{"max_output_tokens":4,"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]}]}}""", "response.done"),
                ("/v1/responses", "", """{"type":"response.create","model":"helix-tiny","input":"Hi","max_output_tokens":16}""", "\"total_tokens\""),
                ("/v1/chat/completions", "", """{"model":"helix-tiny","messages":[{"role":"user","content":"Hi"}],"max_completion_tokens":4}""", "\"done\""),
            ])
        {
            using var socket = new ClientWebSocket { Options = { HttpVersion = HttpVersion.Version20, HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact, CollectHttpResponseDetails = true } };
            socket.Options.SetRequestHeader("Authorization", "Bearer " + Server.Key);
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            await socket.ConnectAsync(new UriBuilder(new Uri(server.Address, path)) { Scheme = "ws" }.Uri, invoker, patience.Token);
            Assert.Equal(HttpStatusCode.OK, socket.HttpStatusCode); // HTTP/1.1 answers 101
            if (first.Length > 0)
            {
                Assert.Contains(first, await ReceiveAsync(socket, patience.Token), StringComparison.Ordinal);
            }

            await socket.SendAsync(Encoding.UTF8.GetBytes(message), WebSocketMessageType.Text, endOfMessage: true, patience.Token);
            string text;
            do
            {
                text = await ReceiveAsync(socket, patience.Token);
                Assert.DoesNotContain("\"error\":{", text, StringComparison.Ordinal);
            }
            while (!text.Contains(last, StringComparison.Ordinal));

            await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", patience.Token);
        }
    }

    private static async Task<string> ReceiveAsync(ClientWebSocket socket, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[16 * 1024];
        using var text = new MemoryStream();
        WebSocketReceiveResult received;
        do
        {
            received = await socket.ReceiveAsync(buffer, cancellationToken);
            Assert.Equal(WebSocketMessageType.Text, received.MessageType);
            await text.WriteAsync(buffer.AsMemory(0, received.Count), cancellationToken);
        }
        while (!received.EndOfMessage);

        return Encoding.UTF8.GetString(text.ToArray());
    }

    private static async Task<string> AskAsync(HttpClient client, Version version, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Version = version,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        using HttpResponseMessage response = await client.SendAsync(request);
        Assert.Equal(version, response.Version);
        return await response.Content.ReadAsStringAsync();
    }

    // Sends, says that nothing more comes, and reads until the server closes.
    private static async Task<string> SendRawAsync(Uri address, params string[] pieces)
    {
        using var socket = new TcpClient { NoDelay = true };
        await socket.ConnectAsync(address.Host, address.Port);
        await using NetworkStream stream = socket.GetStream();
        try
        {
            foreach (string piece in pieces)
            {
                await stream.WriteAsync(Encoding.ASCII.GetBytes(piece));
                await Task.Delay(20); // so that they are likely to arrive apart; nothing depends on it
            }

            if (!pieces[^1].Contains("close", StringComparison.Ordinal))
            {
                socket.Client.Shutdown(SocketShutdown.Send);
            }

            using var reader = new StreamReader(stream, Encoding.Latin1);
            return await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(60));
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            return ""; // reset
        }
    }

    private sealed class TemporaryFolder : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("helixflow-tls-");

        public string CertificatePath => Path.Combine(_folder.FullName, "cert.pem");

        public string KeyPath => Path.Combine(_folder.FullName, "key.pem");

        public X509Certificate2 WriteCertificate()
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
            var names = new SubjectAlternativeNameBuilder();
            names.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
            X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, new DateTimeOffset(9999, 1, 1, 0, 0, 0, TimeSpan.Zero));
            File.WriteAllText(CertificatePath, certificate.ExportCertificatePem());
            File.WriteAllText(KeyPath, key.ExportPkcs8PrivateKeyPem());
            return certificate;
        }

        public void Dispose() => _folder.Delete(recursive: true);
    }
}
