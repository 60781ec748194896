using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace HelixFlow.Cli.Conversation;

/// <summary>Talks to any server with the OpenAI chat completions API.</summary>
internal sealed class RemoteChat : IChatSource
{
    private readonly HttpClient _client;
    private readonly Uri _baseAddress;
    private readonly string _model;

    private RemoteChat(HttpClient client, Uri baseAddress, string model)
    {
        _client = client;
        _baseAddress = baseAddress;
        _model = model;
    }

    public string Description => $"{_model} at {_baseAddress.GetLeftPart(UriPartial.Authority)}";

    /// <summary>Connects and, when no model is named, takes the server's first one.</summary>
    /// <param name="url">The server, with or without the trailing /v1.</param>
    /// <param name="key">The bearer key; null sends none.</param>
    /// <param name="model">The model's name; null asks the server.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    public static async Task<RemoteChat> ConnectAsync(Uri url, string? key, string? model, CancellationToken cancellationToken)
    {
        Uri baseAddress = BaseAddress(url);
        var client = new HttpClient { BaseAddress = baseAddress, Timeout = Timeout.InfiniteTimeSpan };
        if (key is not null)
        {
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }

        return new RemoteChat(client, baseAddress, model ?? await FirstModelAsync(client, cancellationToken));
    }

    /// <summary>The address under which the API's paths lie, with a trailing slash.</summary>
    /// <param name="url">The server, with or without the trailing /v1.</param>
    public static Uri BaseAddress(Uri url)
    {
        string address = url.GetLeftPart(UriPartial.Path).TrimEnd('/');
        return new Uri((address.EndsWith("/v1", StringComparison.Ordinal) ? address : address + "/v1") + "/");
    }

    /// <summary>The name of the first model that a server lists.</summary>
    /// <exception cref="ChatSourceException">It does not answer, refuses, or serves no model.</exception>
    public static async Task<string> FirstModelAsync(HttpClient client, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "models");
        using HttpResponseMessage response = await SendAsync(client, request, cancellationToken);
        JsonNode? list = Parse(await response.Content.ReadAsStringAsync(cancellationToken));
        return (string?)list?["data"]?.AsArray().FirstOrDefault()?["id"] ?? throw new ChatSourceException("The server serves no model.");
    }

    public async IAsyncEnumerable<ReplyPiece> ReplyAsync(
        JsonArray messages, ChatSettings settings, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var body = new JsonObject { ["model"] = _model, ["messages"] = messages.DeepClone(), ["stream"] = true };
        AddIfSet(body, "temperature", settings.Temperature);
        AddIfSet(body, "top_p", settings.TopP);
        AddIfSet(body, "max_completion_tokens", settings.MaxTokens);
        AddIfSet(body, "seed", settings.Seed);

        using var request = new HttpRequestMessage(HttpMethod.Post, "chat/completions") { Content = JsonContent.Create(body) };
        using HttpResponseMessage response = await SendAsync(_client, request, cancellationToken);
        await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (SseItem<string> item in SseParser.Create(stream).EnumerateAsync(cancellationToken))
        {
            if (item.Data == "[DONE]")
            {
                yield break;
            }

            JsonNode? chunk = Parse(item.Data);
            if (chunk?["error"] is { } error)
            {
                throw new ChatSourceException((string?)error["message"] ?? "The server reported an error.");
            }

            JsonNode? delta = chunk?["choices"]?.AsArray().FirstOrDefault()?["delta"];
            if ((string?)(delta?["reasoning_content"] ?? delta?["reasoning"]) is { Length: > 0 } reasoning)
            {
                yield return new ReplyPiece(reasoning, IsReasoning: true);
            }

            if ((string?)delta?["content"] is { Length: > 0 } text)
            {
                yield return new ReplyPiece(text, IsReasoning: false);
            }
        }

        throw new ChatSourceException("The connection ended before the reply was complete.");
    }

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        return ValueTask.CompletedTask;
    }

    private static async Task<HttpResponseMessage> SendAsync(HttpClient client, HttpRequestMessage request, CancellationToken cancellationToken)
    {
        HttpResponseMessage response;
        try
        {
            response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }
        catch (HttpRequestException exception)
        {
            throw new ChatSourceException($"{client.BaseAddress} does not answer: {exception.Message}", exception);
        }

        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            string text = await response.Content.ReadAsStringAsync(cancellationToken);
            string? message = TryParse(text)?["error"]?["message"]?.ToString();
            throw new ChatSourceException($"{(int)response.StatusCode} {response.ReasonPhrase}: {message ?? text}");
        }
    }

    private static JsonNode? Parse(string json) => TryParse(json) ?? throw new ChatSourceException("The server sent something that is not JSON.");

    private static JsonNode? TryParse(string json)
    {
        try
        {
            return JsonNode.Parse(json);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static void AddIfSet<T>(JsonObject body, string name, T? value)
        where T : struct
    {
        if (value is { } set)
        {
            body[name] = JsonValue.Create(set);
        }
    }
}
