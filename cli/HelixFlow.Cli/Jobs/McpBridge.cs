using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace HelixFlow.Cli.Jobs;

/// <summary>Carries messages of the Model Context Protocol between a program's standard streams and a server's <c>/mcp</c>.</summary>
/// <remarks>
/// Each line is a message, posted by itself; requests may be under way at the same time. What is answered is written as lines. Nothing is kept but the
/// protocol's version, so that the tools are the server's and nobody's else.
/// </remarks>
internal sealed class McpBridge : IDisposable
{
    private const int MostAtOnce = 32;
    private const int Failed = -32000;
    private const string Version = "MCP-Protocol-Version";
    private const string VersionField = "io.modelcontextprotocol/protocolVersion";

    private readonly HttpClient _http;
    private readonly Uri _server;
    private readonly TextWriter _output;
    private readonly SemaphoreSlim _writing = new(1);
    private readonly SemaphoreSlim _free = new(MostAtOnce);
    private readonly ConcurrentDictionary<string, CancellationTokenSource> _open = new(StringComparer.Ordinal);
    private string? _version;

    public McpBridge(Uri server, string key, TextWriter output)
    {
        _server = new Uri(server, "/mcp");
        _output = output;
        _http = new HttpClient { Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        _http.DefaultRequestHeaders.Accept.ParseAdd("application/json, text/event-stream");
    }

    /// <summary>Carries messages until there are no more, and until all were answered.</summary>
    public async Task RunAsync(TextReader input, CancellationToken cancellationToken)
    {
        var carried = new List<Task>();
        while (await input.ReadLineAsync(cancellationToken) is { } line)
        {
            if (string.IsNullOrWhiteSpace(line))
            {
                continue;
            }

            carried.RemoveAll(static task => task.IsCompletedSuccessfully);
            await _free.WaitAsync(cancellationToken);
            carried.Add(CarryAsync(line, cancellationToken));
        }

        await Task.WhenAll(carried);
    }

    public void Dispose()
    {
        _http.Dispose();
        _writing.Dispose();
        _free.Dispose();
    }

    private async Task CarryAsync(string line, CancellationToken cancellationToken)
    {
        try
        {
            if (Parse(line) is not { } message)
            {
                await WriteAsync(Error(null, -32700, "The line is no JSON object."), cancellationToken);
            }
            else if (Text(message, "method") == "notifications/cancelled" && message["params"]?["requestId"] is { } id && _open.TryGetValue(id.ToJsonString(), out CancellationTokenSource? request))
            {
                await request.CancelAsync(); // the server notices that nobody waits any more
            }
            else
            {
                await SendAsync(message, line, cancellationToken);
            }
        }
        finally
        {
            _free.Release();
        }
    }

    private async Task SendAsync(JsonObject message, string line, CancellationToken cancellationToken)
    {
        string? id = message["id"]?.ToJsonString();
        using var left = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (id is not null)
        {
            _open[id] = left;
        }

        try
        {
            await PostAsync(message, line, left.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The client wants no answer any more.
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            await FailAsync(message, $"{_server.GetLeftPart(UriPartial.Authority)}: {exception.Message}", cancellationToken);
        }
        finally
        {
            if (id is not null)
            {
                _open.TryRemove(new KeyValuePair<string, CancellationTokenSource>(id, left));
            }
        }
    }

    private async Task PostAsync(JsonObject message, string line, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, _server) { Content = new StringContent(line, Encoding.UTF8, "application/json") };
        AddHeaders(request.Headers, message);
        using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (response.Content.Headers.ContentType?.MediaType == "text/event-stream")
        {
            await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
            await foreach (SseItem<string> item in SseParser.Create(stream).EnumerateAsync(cancellationToken))
            {
                if (item.Data.Length > 0)
                {
                    Learn(item.Data);
                    await WriteAsync(item.Data, cancellationToken);
                }
            }
        }
        else if (!response.IsSuccessStatusCode)
        {
            await FailAsync(message, Reason(await response.Content.ReadAsStringAsync(cancellationToken), (int)response.StatusCode), cancellationToken);
        }
    }

    /// <summary>What HTTP says beside the body: the version that was agreed on or that the message names, and in that case its method and name.</summary>
    private void AddHeaders(HttpRequestHeaders headers, JsonObject message)
    {
        if (message["params"]?["_meta"]?[VersionField] is JsonValue named && named.TryGetValue(out string? version))
        {
            headers.Add(Version, version);
            headers.Add("Mcp-Method", Text(message, "method"));
            if (message["params"]?["name"] is JsonValue name && name.TryGetValue(out string? tool))
            {
                headers.Add("Mcp-Name", Ascii.IsValid(tool) ? tool : $"=?base64?{Convert.ToBase64String(Encoding.UTF8.GetBytes(tool))}?=");
            }
        }
        else if (_version is not null && Text(message, "method") != "initialize")
        {
            headers.Add(Version, _version);
        }
    }

    /// <summary>Remembers the version that the server has chosen.</summary>
    private void Learn(string answer)
    {
        if (_version is null && Parse(answer)?["result"]?["protocolVersion"] is JsonValue version && version.TryGetValue(out string? text))
        {
            _version = text;
        }
    }

    /// <summary>Answers a request whose answer is not to be had; a notification has none.</summary>
    private async Task FailAsync(JsonObject message, string reason, CancellationToken cancellationToken)
    {
        if (message["id"] is { } id && message.ContainsKey("method"))
        {
            await WriteAsync(Error(id.DeepClone(), Failed, reason), cancellationToken);
        }
    }

    private async Task WriteAsync(string message, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await _output.WriteLineAsync(message.AsMemory(), cancellationToken);
            await _output.FlushAsync(cancellationToken);
        }
        finally
        {
            _writing.Release();
        }
    }

    private static string Error(JsonNode? id, int code, string reason) =>
        new JsonObject { ["jsonrpc"] = "2.0", ["id"] = id, ["error"] = new JsonObject { ["code"] = code, ["message"] = reason } }.ToJsonString();

    private static string Reason(string body, int status)
    {
        JsonObject? problem = Parse(body);
        string said = problem?["error"] is JsonObject error ? Text(error, "message") : problem is null ? "" : Text(problem, "detail");
        return said.Length > 0 ? said : $"The server answers {status.ToString(System.Globalization.CultureInfo.InvariantCulture)}.";
    }

    private static JsonObject? Parse(string text)
    {
        try
        {
            return JsonNode.Parse(text) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Text(JsonObject json, string name) => json[name] is JsonValue value && value.TryGetValue(out string? text) ? text : "";
}
