using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace HelixFlow.Cluster.Tests.Processes;

/// <summary>A chat completion to ask for.</summary>
internal sealed record ChatBody
{
    [JsonPropertyName("model")]
    public string Model { get; init; } = Cluster.Model;

    [JsonPropertyName("seed")]
    public int Seed { get; init; }

    [JsonPropertyName("max_completion_tokens")]
    public int MaxTokens { get; init; }

    [JsonPropertyName("stream")]
    public bool Stream { get; init; } = true;

    [JsonPropertyName("logprobs")]
    public bool Logprobs { get; init; }

    [JsonPropertyName("messages")]
    public object[] Messages => [new { role = "user", content = $"Question {Seed}: What is HelixFlow?" }];

    /// <summary>High, so that one wrong bit anywhere leads to another text.</summary>
    [JsonPropertyName("temperature")]
    public double Temperature => 1.2;

    [JsonPropertyName("ignore_eos")]
    public bool IgnoreEnd => true;

    [JsonPropertyName("stream_options")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public object? StreamOptions => Stream ? new { include_usage = true } : null;

    /// <summary>Bodies that differ in their seeds and prompts; every second one asks for log probabilities.</summary>
    public static ChatBody[] Many(int count, int tokens) =>
        [.. Enumerable.Range(1, count).Select(seed => new ChatBody { Seed = seed, MaxTokens = tokens, Logprobs = seed % 2 == 0 })];
}

/// <summary>One streamed chat completion, read by a task of its own from its request to the end of the connection.</summary>
/// <remarks>The counters may be read at any time, the rest after <see cref="Completion"/>, which never fails.</remarks>
internal sealed class ChatStream
{
    private readonly StringBuilder _text = new();
    private readonly StringBuilder _logprobs = new();
    private int _pieces;
    private int _comments;

    private ChatStream(ChatBody body)
    {
        Body = body;
    }

    public ChatBody Body { get; }

    public Task Completion { get; private set; } = Task.CompletedTask;

    public bool HasEnded => Completion.IsCompleted;

    /// <summary>Frames with text or tokens so far.</summary>
    public int Pieces => Volatile.Read(ref _pieces);

    /// <summary>Comments so far.</summary>
    public int CommentCount => Volatile.Read(ref _comments);

    public HttpStatusCode Status { get; private set; }

    public string Text => _text.ToString();

    /// <summary>All tokens with their log probabilities, as they were sent.</summary>
    public string LogprobsText => _logprobs.ToString();

    public List<string> FinishReasons { get; } = [];

    public JsonNode? Usage { get; private set; }

    /// <summary>Error objects among the frames, or the body of a refusal.</summary>
    public List<JsonNode> Errors { get; } = [];

    public List<string> Comments { get; } = [];

    /// <summary>Whether "[DONE]" was the last frame.</summary>
    public bool Done { get; private set; }

    /// <summary>Why the connection did not end as HTTP wants it.</summary>
    public Exception? Failure { get; private set; }

    public static ChatStream Start(HttpClient client, Uri server, ChatBody body)
    {
        var stream = new ChatStream(body);
        stream.Completion = Task.Run(() => stream.ReadAsync(client, new Uri(server, "/v1/chat/completions")));
        return stream;
    }

    public override string ToString() =>
        $"seed {Body.Seed}: {(int)Status}, {Pieces} pieces, {string.Join(' ', FinishReasons)}, done {Done}, usage {Usage?.ToJsonString()}, " +
        $"errors {string.Join(' ', Errors.Select(error => error.ToJsonString()))}, {Failure}";

    private async Task ReadAsync(HttpClient client, Uri url)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = JsonContent.Create(Body) };
            using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            Status = response.StatusCode;
            if (!response.IsSuccessStatusCode)
            {
                Errors.Add(JsonNode.Parse(await response.Content.ReadAsStringAsync())!);
                return;
            }

            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
            while (await reader.ReadLineAsync() is { } line)
            {
                Take(line);
            }
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException or JsonException or InvalidOperationException)
        {
            Failure = exception;
        }
    }

    private void Take(string line)
    {
        if (line.StartsWith(": ", StringComparison.Ordinal))
        {
            Comments.Add(line[2..]);
            Interlocked.Increment(ref _comments);
            return;
        }

        if (line.Length == 0)
        {
            return;
        }

        if (!line.StartsWith("data: ", StringComparison.Ordinal) || Done)
        {
            throw new InvalidOperationException($"This line has no place here: {line}");
        }

        if (line == "data: [DONE]")
        {
            Done = true;
            return;
        }

        JsonNode frame = JsonNode.Parse(line["data: ".Length..])!;
        if (frame["error"] is not null)
        {
            Errors.Add(frame);
            return;
        }

        Usage = frame["usage"] ?? Usage;
        foreach (JsonNode? choice in frame["choices"]!.AsArray())
        {
            string piece = (string?)choice!["delta"]?["content"] ?? "";
            _text.Append(piece);
            foreach (JsonNode? token in choice["logprobs"]?["content"]?.AsArray() ?? [])
            {
                _logprobs.Append(token!.ToJsonString()).Append('\n');
                piece += "token";
            }

            if (piece.Length > 0)
            {
                Interlocked.Increment(ref _pieces);
            }

            if ((string?)choice["finish_reason"] is { } reason)
            {
                FinishReasons.Add(reason);
            }
        }
    }
}
