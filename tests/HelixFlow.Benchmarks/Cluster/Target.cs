using System.Buffers.Text;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Benchmarks.Cluster;

/// <summary>Where a benchmark sends its requests. Thread-safe.</summary>
internal abstract class Target
{
    /// <summary>Runs one turn to its end.</summary>
    /// <param name="turn">What to ask.</param>
    /// <param name="trace">Gets the arrivals.</param>
    /// <param name="stamped">Whether tokens are the times of their emission.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    public abstract Task RunAsync(Turn turn, StreamTrace trace, bool stamped, CancellationToken cancellationToken);
}

/// <summary>A pool, here or behind a transport.</summary>
internal sealed class PoolTarget(IInferencePool pool) : Target
{
    public override async Task RunAsync(Turn turn, StreamTrace trace, bool stamped, CancellationToken cancellationToken)
    {
        trace.Started = TimeProvider.System.GetTimestamp();
        var request = new GenerateRequest
        {
            RequestId = "bench",
            Model = turn.Model,
            Project = "bench",
            Chat = new ChatPrompt { MessagesJson = turn.MessagesJson },
            MaxTokens = (uint)turn.MaxTokens,
            IgnoreEos = true,
            Sampling = new SamplingParameters { Temperature = 0 },
        };
        await foreach (GenerateEvent next in pool.GenerateAsync(request, cancellationToken))
        {
            if (next.Token is { Text.Length: > 0 } token)
            {
                trace.Note(TimeProvider.System.GetTimestamp(), stamped ? long.Parse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture) : 0);
                trace.Text?.Append(token.Text);
            }
        }
    }
}

/// <summary>The OpenAI API, by server-sent events. The time of a token is when the bytes of its event were read from the socket.</summary>
internal sealed class HttpTarget : Target, IDisposable
{
    /// <summary>The key of the servers that benchmarks start.</summary>
    public const string Key = "hx-benchmark";

    private const int BufferBytes = 64 * 1024;

    private readonly HttpClient _client;

    public HttpTarget(Uri server)
    {
        _client = new HttpClient(new SocketsHttpHandler { UseProxy = false, PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan })
        {
            BaseAddress = server,
            Timeout = Timeout.InfiniteTimeSpan,
        };
        _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Key);
    }

    private static ReadOnlySpan<byte> Content => "\"content\":\""u8;

    public override async Task RunAsync(Turn turn, StreamTrace trace, bool stamped, CancellationToken cancellationToken)
    {
        trace.Started = TimeProvider.System.GetTimestamp();
        string body = string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"model":"{{turn.Model}}","stream":true,"temperature":0,"ignore_eos":true,"max_tokens":{{turn.MaxTokens}},"messages":{{turn.MessagesJson}}}""");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        using HttpResponseMessage response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            throw new HttpRequestException(await response.Content.ReadAsStringAsync(cancellationToken), null, response.StatusCode);
        }

        await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        byte[] buffer = new byte[BufferBytes];
        int held = 0;
        while (true)
        {
            int read = await stream.ReadAsync(buffer.AsMemory(held), cancellationToken);
            if (read == 0)
            {
                break;
            }

            held += read;
            int taken = Take(buffer.AsSpan(0, held), trace, stamped);
            buffer.AsSpan(taken, held - taken).CopyTo(buffer);
            held -= taken;
        }

        if (trace.Tokens == 0)
        {
            throw new HttpRequestException("The answer has no token.");
        }
    }

    public void Dispose() => _client.Dispose();

    /// <summary>Notes the events that are whole; the result is how many bytes they take.</summary>
    private static int Take(ReadOnlySpan<byte> bytes, StreamTrace trace, bool stamped)
    {
        long now = TimeProvider.System.GetTimestamp();
        int taken = 0;
        while (bytes[taken..].IndexOf("\n\n"u8) is int length and >= 0)
        {
            ReadOnlySpan<byte> line = bytes.Slice(taken, length);
            taken += length + 2;
            if (line.StartsWith("data: {\"error\""u8))
            {
                throw new HttpRequestException(Encoding.UTF8.GetString(line));
            }

            int at = line.IndexOf(Content);
            if (at < 0 || line[at + Content.Length] == '"')
            {
                continue; // the role, the end, or a comment
            }

            long emitted = 0;
            if (stamped && !Utf8Parser.TryParse(line[(at + Content.Length)..], out emitted, out _))
            {
                throw new FormatException($"No time is in {Encoding.UTF8.GetString(line)}.");
            }

            trace.Note(now, emitted);
            if (trace.Text is { } text)
            {
                using var chunk = JsonDocument.Parse(line["data: "u8.Length..].ToArray());
                text.Append(chunk.RootElement.GetProperty("choices")[0].GetProperty("delta").GetProperty("content").GetString());
            }
        }

        return taken;
    }
}
