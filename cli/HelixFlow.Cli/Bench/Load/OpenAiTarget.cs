using System.Net.Http.Headers;
using System.Text.Encodings.Web;
using System.Text.Json;
using HelixFlow.Cli.Conversation;

namespace HelixFlow.Cli.Bench.Load;

/// <summary>Which server is asked, and how.</summary>
internal sealed record OpenAiTargetOptions
{
    /// <summary>The server's address, with or without the trailing /v1.</summary>
    public required Uri Url { get; init; }

    /// <summary>The bearer key; null sends none.</summary>
    public string? ApiKey { get; init; }

    /// <summary>The model's name; null takes the server's first one.</summary>
    public string? Model { get; init; }

    /// <summary>Whether to use /v1/chat/completions; /v1/completions otherwise.</summary>
    public bool Chat { get; init; } = true;

    /// <summary>Asks the server to go on to the wanted length whatever the model says; servers without this extension may refuse.</summary>
    public bool IgnoreEndOfText { get; init; }

    /// <summary>Sampling temperature; null leaves it to the server.</summary>
    public double? Temperature { get; init; }

    /// <summary>The most connections.</summary>
    public int Connections { get; init; } = 512;

    /// <summary>The workload's seed, which the texts come from.</summary>
    public int Seed { get; init; } = 1;
}

/// <summary>A server with the OpenAI API, asked for streams with usage. Thread-safe.</summary>
internal sealed class OpenAiTarget : ILoadTarget, IDisposable
{
    private const int LongestErrorText = 300;
    private const int LongestErrorBody = 16 << 10;

    private static readonly JsonWriterOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly OpenAiTargetOptions _options;
    private readonly HttpClient _client;

    private OpenAiTarget(OpenAiTargetOptions options)
    {
        _options = options;
        var handler = new SocketsHttpHandler { MaxConnectionsPerServer = options.Connections, ConnectTimeout = TimeSpan.FromSeconds(30), UseProxy = false };
        _client = new HttpClient(handler) { BaseAddress = RemoteChat.BaseAddress(options.Url), Timeout = Timeout.InfiniteTimeSpan };
        if (options.ApiKey is { Length: > 0 } key)
        {
            _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }
    }

    public string Model { get; private set; } = "";

    /// <summary>How texts are made for this server; set it before requests run.</summary>
    public PromptText Text { get; set; } = PromptText.Assumed;

    /// <summary>Connects and, when no model is named, asks the server for its first one.</summary>
    /// <exception cref="ChatSourceException">The server does not answer, refuses, or serves no model.</exception>
    public static async Task<OpenAiTarget> ConnectAsync(OpenAiTargetOptions options, CancellationToken cancellationToken)
    {
        var target = new OpenAiTarget(options);
        try
        {
            target.Model = options.Model ?? await RemoteChat.FirstModelAsync(target._client, cancellationToken);
            return target;
        }
        catch
        {
            target.Dispose();
            throw;
        }
    }

    public Task SendAsync(RequestTrace trace, LoadClock clock, CancellationToken cancellationToken) =>
        PostAsync(trace, clock, Text.Messages(trace.Request, _options.Seed), cancellationToken);

    /// <summary>Finds out how many tokens this server makes of words, and warms it up a little.</summary>
    /// <exception cref="BenchException">It does not answer as an OpenAI server does.</exception>
    public async Task CalibrateAsync(int words, TimeProvider time, CancellationToken cancellationToken)
    {
        int few = Math.Max(1, words / 4);
        int? fewTokens = await ProbeAsync(few, time, cancellationToken);
        int? manyTokens = await ProbeAsync(words, time, cancellationToken);
        Text = fewTokens is { } less && manyTokens is { } more ? PromptText.Calibrate(few, less, words, more) : PromptText.Assumed;
    }

    public void Dispose() => _client.Dispose();

    private async Task<int?> ProbeAsync(int words, TimeProvider time, CancellationToken cancellationToken)
    {
        var trace = new RequestTrace(new PlannedRequest(0, TimeSpan.Zero, 0, [words], 0, 1));
        await PostAsync(trace, new LoadClock(time), [PromptText.OfWords(words, words)], cancellationToken);
        return trace.IsCompleted ? trace.PromptTokens : throw new BenchException($"{_client.BaseAddress}: {trace.Error}: {trace.ErrorMessage}");
    }

    private async Task PostAsync(RequestTrace trace, LoadClock clock, List<string> messages, CancellationToken cancellationToken)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, _options.Chat ? "chat/completions" : "completions") { Content = Body(trace.Request, messages) };
            using HttpResponseMessage response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (!response.IsSuccessStatusCode)
            {
                trace.Fail($"http {(int)response.StatusCode}", await ErrorTextAsync(response, cancellationToken));
            }
            else if (response.Content.Headers.ContentType?.MediaType is "application/json")
            {
                trace.Fail("not streamed", "the server answers with one JSON object although a stream was asked for");
            }
            else
            {
                await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
                await CompletionStream.ReadAsync(stream, trace, clock, cancellationToken);
            }
        }
        catch (HttpRequestException exception)
        {
            trace.Fail(exception.HttpRequestError == HttpRequestError.ConnectionError ? "no connection" : "connection lost", exception.Message);
        }
        catch (IOException exception)
        {
            trace.Fail("connection lost", exception.Message);
        }
    }

    private ByteArrayContent Body(PlannedRequest planned, List<string> messages)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, Compact))
        {
            writer.WriteStartObject();
            writer.WriteString("model", Model);
            if (_options.Chat)
            {
                writer.WriteStartArray("messages");
                for (int i = 0; i < messages.Count; i++)
                {
                    writer.WriteStartObject();
                    writer.WriteString("role", i % 2 == 0 ? "user" : "assistant");
                    writer.WriteString("content", messages[i]);
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
            }
            else
            {
                writer.WriteString("prompt", string.Join("\n\n", messages));
            }

            writer.WriteNumber(_options.Chat ? "max_completion_tokens" : "max_tokens", planned.OutputTokens);
            writer.WriteBoolean("stream", true);
            writer.WriteStartObject("stream_options");
            writer.WriteBoolean("include_usage", true);
            writer.WriteEndObject();
            if (_options.Temperature is { } temperature)
            {
                writer.WriteNumber("temperature", temperature);
            }

            if (_options.IgnoreEndOfText)
            {
                writer.WriteBoolean("ignore_eos", true);
            }

            writer.WriteEndObject();
        }

        var content = new ByteArrayContent(stream.ToArray());
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return content;
    }

    private static async Task<string> ErrorTextAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
        char[] start = new char[LongestErrorBody];
        string text = new(start, 0, await reader.ReadBlockAsync(start, cancellationToken));
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            text = CompletionStream.ErrorText(document.RootElement);
        }
        catch (JsonException)
        {
            // A proxy's page, or nothing: shown as it is.
        }

        return text.Length > LongestErrorText ? text[..LongestErrorText] + "…" : text;
    }
}
