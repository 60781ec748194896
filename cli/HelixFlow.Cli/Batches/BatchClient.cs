using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace HelixFlow.Cli.Batches;

/// <summary>Talks to a server's files and batches over HTTP.</summary>
/// <remarks>Every failure is a <see cref="BatchClientException"/> with a sentence for people.</remarks>
internal sealed class BatchClient : IDisposable
{
    private readonly HttpClient _http;

    public BatchClient(Uri server, string key)
    {
        _http = new HttpClient { BaseAddress = new Uri(server, "/v1/"), Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
    }

    /// <summary>Stores a file of requests; its id.</summary>
    public async Task<string> UploadAsync(string path, CancellationToken cancellationToken)
    {
        await using var content = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.Asynchronous);
        using var form = new MultipartFormDataContent { { new StringContent("batch"), "purpose" }, { new StreamContent(content), "file", Path.GetFileName(path) } };
        return JsonElement.Parse(await SendAsync(HttpMethod.Post, "files", form, cancellationToken)).GetProperty("id").GetString()!;
    }

    /// <summary>Begins a batch; its object as it came.</summary>
    public Task<string> CreateAsync(string file, string endpoint, string window, CancellationToken cancellationToken) => SendAsync(
        HttpMethod.Post,
        "batches",
        new StringContent(JsonSerializer.Serialize(new Dictionary<string, string> { ["input_file_id"] = file, ["endpoint"] = endpoint, ["completion_window"] = window }), Encoding.UTF8, "application/json"),
        cancellationToken);

    public Task<string> GetAsync(string id, CancellationToken cancellationToken) => SendAsync(HttpMethod.Get, "batches/" + Uri.EscapeDataString(id), null, cancellationToken);

    public Task<string> CancelAsync(string id, CancellationToken cancellationToken) => SendAsync(HttpMethod.Post, $"batches/{Uri.EscapeDataString(id)}/cancel", null, cancellationToken);

    /// <summary>Copies a file's content, which may be larger than the memory.</summary>
    public async Task DownloadAsync(string file, Stream target, CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await AnswerAsync(HttpMethod.Get, $"files/{Uri.EscapeDataString(file)}/content", null, cancellationToken);
        await response.Content.CopyToAsync(target, cancellationToken);
    }

    public void Dispose() => _http.Dispose();

    private async Task<string> SendAsync(HttpMethod method, string path, HttpContent? content, CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await AnswerAsync(method, path, content, cancellationToken);
        return await response.Content.ReadAsStringAsync(cancellationToken);
    }

    private async Task<HttpResponseMessage> AnswerAsync(HttpMethod method, string path, HttpContent? content, CancellationToken cancellationToken)
    {
        try
        {
            using var request = new HttpRequestMessage(method, path) { Content = content };
            HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (response.IsSuccessStatusCode)
            {
                return response;
            }

            using (response)
            {
                throw new BatchClientException(Reason((int)response.StatusCode, await response.Content.ReadAsStringAsync(cancellationToken)));
            }
        }
        catch (HttpRequestException exception)
        {
            throw new BatchClientException($"{_http.BaseAddress!.GetLeftPart(UriPartial.Authority)}: {exception.Message}", exception);
        }
    }

    private static string Reason(int status, string answer)
    {
        try
        {
            if (JsonElement.Parse(answer) is { ValueKind: JsonValueKind.Object } body && body.TryGetProperty("error", out JsonElement error) && error.GetProperty("message").GetString() is { } message)
            {
                return message;
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            // It is no server of this API's.
        }

        return string.Create(CultureInfo.InvariantCulture, $"the server answers {status}");
    }
}

/// <summary>What the server or the way to it did not allow, in a sentence for people.</summary>
internal sealed class BatchClientException(string message, Exception? cause = null) : Exception(message, cause);
