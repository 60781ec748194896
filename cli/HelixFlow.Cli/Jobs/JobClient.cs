using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

namespace HelixFlow.Cli.Jobs;

/// <summary>Talks to a server's agent queue over HTTP.</summary>
/// <remarks>Every failure is a <see cref="JobClientException"/> with a sentence for people.</remarks>
internal sealed class JobClient : IDisposable
{
    private const string Root = "/api/v1/agent/";
    private const int MostReconnects = 10;

    private static readonly TimeSpan _reconnectWait = TimeSpan.FromSeconds(1);

    private readonly HttpClient _http;
    private readonly TimeProvider _time;

    public JobClient(Uri server, string key, TimeProvider time)
    {
        _http = new HttpClient { BaseAddress = new Uri(server, Root), Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        _time = time;
    }

    /// <summary>The body of a response as it came, which is JSON.</summary>
    public async Task<string> SendAsync(HttpMethod method, string path, string? body, string? idempotencyKey, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        }

        if (idempotencyKey is not null)
        {
            request.Headers.Add("Idempotency-Key", idempotencyKey);
        }

        return await AnswerAsync(request, cancellationToken);
    }

    public Task<string> GetAsync(string path, CancellationToken cancellationToken) => SendAsync(HttpMethod.Get, path, null, null, cancellationToken);

    /// <summary>Brings a file; the answer describes it.</summary>
    public async Task<string> UploadAsync(Stream content, string contentType, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "artifacts") { Content = new StreamContent(content) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(contentType);
        return await AnswerAsync(request, cancellationToken);
    }

    /// <summary>Writes what the server has under a path into a stream.</summary>
    public async Task DownloadAsync(string path, Stream destination, CancellationToken cancellationToken)
    {
        try
        {
            using HttpResponseMessage response = await _http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (!response.IsSuccessStatusCode)
            {
                throw Refused(response.StatusCode, await response.Content.ReadAsStringAsync(cancellationToken));
            }

            await response.Content.CopyToAsync(destination, cancellationToken);
        }
        catch (HttpRequestException exception)
        {
            throw Unreached(exception);
        }
    }

    /// <summary>A job's events as JSON, from the first one on, as they happen; ends with the job. A connection that breaks is made anew after the last event.</summary>
    public async IAsyncEnumerable<string> FollowAsync(string id, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string last = "0";
        int failures = 0;
        while (true)
        {
            using HttpResponseMessage? response = await ConnectAsync(id, last, cancellationToken);
            if (response?.StatusCode == HttpStatusCode.NoContent)
            {
                yield break;
            }

            using StreamReader? reader = response is null ? null : new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
            string number = last, data = "";
            while (reader is not null && await LineAsync(reader, cancellationToken) is { } line)
            {
                if (line.StartsWith("id: ", StringComparison.Ordinal))
                {
                    number = line[4..];
                }
                else if (line.StartsWith("data: ", StringComparison.Ordinal))
                {
                    data = line[6..];
                }
                else if (line.Length == 0 && data.Length > 0)
                {
                    (last, failures) = (number, 0);
                    yield return data;
                    data = "";
                }
            }

            // A stream that ends does so with its job or with its connection: asked again after the last event, the server tells which.
            if (++failures > MostReconnects)
            {
                throw new JobClientException($"The connection to the server broke {MostReconnects} times in a row. The job goes on without it: helixflow jobs watch {id}");
            }

            if (failures > 1)
            {
                await Task.Delay(_reconnectWait, _time, cancellationToken);
            }
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<string> AnswerAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            using HttpResponseMessage response = await _http.SendAsync(request, cancellationToken);
            string answer = await response.Content.ReadAsStringAsync(cancellationToken);
            return response.IsSuccessStatusCode ? answer : throw Refused(response.StatusCode, answer);
        }
        catch (HttpRequestException exception)
        {
            throw Unreached(exception);
        }
    }

    private JobClientException Unreached(HttpRequestException exception) => new($"{_http.BaseAddress!.GetLeftPart(UriPartial.Authority)}: {exception.Message}", exception);

    /// <summary>Null when the server cannot be reached, which it may be again.</summary>
    private async Task<HttpResponseMessage?> ConnectAsync(string id, string last, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"jobs/{Uri.EscapeDataString(id)}/events");
        request.Headers.Add("Last-Event-ID", last);
        HttpResponseMessage response;
        try
        {
            response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }
        catch (HttpRequestException)
        {
            return null;
        }

        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            throw Refused(response.StatusCode, await response.Content.ReadAsStringAsync(cancellationToken));
        }
    }

    private static async Task<string?> LineAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.ReadLineAsync(cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException)
        {
            return null;
        }
    }

    private static JobClientException Refused(HttpStatusCode status, string answer)
    {
        string fallback = string.Create(CultureInfo.InvariantCulture, $"the server answers {(int)status} {status}");
        try
        {
            JsonElement problem = JsonElement.Parse(answer);
            return new JobClientException(problem.TryGetProperty("detail", out JsonElement detail) && detail.GetString() is { } text
                ? status == HttpStatusCode.Unauthorized ? text + " Give the right key with --api-key." : text
                : fallback);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return new JobClientException(fallback, exception);
        }
    }
}

/// <summary>What the server or the way to it did not allow, in a sentence for people.</summary>
internal sealed class JobClientException(string message, Exception? cause = null) : Exception(message, cause);
