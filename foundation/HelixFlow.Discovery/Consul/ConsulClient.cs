using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace HelixFlow.Discovery.Consul;

/// <summary>The calls of Consul's HTTP API that discovery and registration need.</summary>
/// <remarks>Thread-safe. Every failure is a <see cref="ConsulException"/>, except that the caller's own cancellation is passed on.</remarks>
internal sealed class ConsulClient : IDisposable
{
    private const int LongestAnswer = 16 << 20;
    private const int LongestMessage = 300;

    private readonly ConsulAgentOptions _agent;
    private readonly TimeProvider _time;
    private readonly HttpClient _http;

    public ConsulClient(ConsulAgentOptions agent, TimeProvider time)
    {
        agent.Validate();
        _agent = agent;
        _time = time;
        // An agent is on the same machine or near: no proxy. A redirect would carry the token elsewhere.
        var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, ConnectTimeout = agent.Timeout };
        _http = new HttpClient(handler)
        {
            BaseAddress = new Uri(agent.Address.GetLeftPart(UriPartial.Path).TrimEnd('/') + "/"),
            Timeout = Timeout.InfiniteTimeSpan, // each request has its own, on the injected clock
            MaxResponseContentBufferSize = LongestAnswer,
        };
    }

    /// <summary>The passing instances of a service; with an index, waits until something has changed since or the wait is over.</summary>
    public async Task<ConsulHealthAnswer> HealthAsync(ConsulDiscoveryOptions options, ulong index, CancellationToken cancellationToken)
    {
        var path = new StringBuilder($"v1/health/service/{Uri.EscapeDataString(options.Service)}?passing=true");
        Append(path, "dc", _agent.Datacenter);
        Append(path, "tag", options.Tag);
        TimeSpan wait = TimeSpan.Zero;
        if (index > 0)
        {
            // The agent adds up to a sixteenth, so that not all waits end together.
            wait = options.Wait * (1 + (1 / 16.0));
            path.Append(CultureInfo.InvariantCulture, $"&index={index}&wait={Duration(options.Wait)}");
        }

        return await SendAsync(
            HttpMethod.Get,
            path.ToString(),
            null,
            wait,
            async (response, gone) =>
            {
                await ExpectAsync(response, gone).ConfigureAwait(false);
                byte[] body = await response.Content.ReadAsByteArrayAsync(gone).ConfigureAwait(false);
                bool filtered = Header(response, "X-Consul-Results-Filtered-By-ACLs") == "true";
                ulong.TryParse(Header(response, "X-Consul-Index"), NumberStyles.None, CultureInfo.InvariantCulture, out ulong next);
                return new ConsulHealthAnswer(ConsulHealth.Parse(body, options.Scheme), next, filtered);
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Registers a service on the agent, in place of one of the same id.</summary>
    public Task RegisterAsync(ConsulRegistrationOptions service, NodeHealth health, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Put, "v1/agent/service/register", Registration(service, health), TimeSpan.Zero, ExpectAsync, cancellationToken);

    /// <summary>Says how a service with a TTL check is. False when the agent does not know the check (any more).</summary>
    public Task<bool> UpdateCheckAsync(string checkId, NodeHealth health, string note, CancellationToken cancellationToken)
    {
        byte[] body = Json(writer =>
        {
            writer.WriteString("Status", StatusName(health));
            writer.WriteString("Output", note);
        });
        return SendAsync(
            HttpMethod.Put,
            $"v1/agent/check/update/{Uri.EscapeDataString(checkId)}",
            body,
            TimeSpan.Zero,
            async (response, gone) =>
            {
                // 404 from newer agents, 500 from older ones.
                if (response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.InternalServerError)
                {
                    return false;
                }

                await ExpectAsync(response, gone).ConfigureAwait(false);
                return true;
            },
            cancellationToken);
    }

    /// <summary>Takes a service off the agent; well when it is not there.</summary>
    public Task DeregisterAsync(string serviceId, CancellationToken cancellationToken) =>
        SendAsync(
            HttpMethod.Put,
            $"v1/agent/service/deregister/{Uri.EscapeDataString(serviceId)}",
            null,
            TimeSpan.Zero,
            (response, gone) => response.StatusCode == HttpStatusCode.NotFound ? Task.FromResult(false) : ExpectAsync(response, gone),
            cancellationToken);

    public void Dispose() => _http.Dispose();

    /// <summary>A duration as Go writes it.</summary>
    internal static string Duration(TimeSpan span) =>
        span.Ticks % TimeSpan.TicksPerSecond == 0
            ? string.Create(CultureInfo.InvariantCulture, $"{(long)span.TotalSeconds}s")
            : string.Create(CultureInfo.InvariantCulture, $"{(long)Math.Ceiling(span.TotalMilliseconds)}ms");

    private async Task<T> SendAsync<T>(
        HttpMethod method,
        string path,
        byte[]? body,
        TimeSpan wait,
        Func<HttpResponseMessage, CancellationToken, Task<T>> read,
        CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(_agent.Timeout + wait, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        using var request = new HttpRequestMessage(method, path);
        if (_agent.Token is { Length: > 0 } token)
        {
            request.Headers.Add("X-Consul-Token", token);
        }

        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        try
        {
            using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseContentRead, either.Token).ConfigureAwait(false);
            return await read(response, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ConsulException($"no answer within {_agent.Timeout + wait}", null, exception);
        }
        catch (HttpRequestException exception)
        {
            throw new ConsulException(exception.Message, null, exception);
        }
        catch (JsonException exception)
        {
            throw new ConsulException($"an answer that cannot be read: {exception.Message}", null, exception);
        }
    }

    /// <summary>Fails unless the answer is 200.</summary>
    private static async Task<bool> ExpectAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.StatusCode == HttpStatusCode.OK)
        {
            return true;
        }

        string text = (await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false)).Trim();
        text = text.Length > LongestMessage ? text[..LongestMessage] + "…" : text;
        throw new ConsulException(string.Create(CultureInfo.InvariantCulture, $"{(int)response.StatusCode} {text}"), response.StatusCode);
    }

    private static byte[] Registration(ConsulRegistrationOptions service, NodeHealth health) => Json(writer =>
    {
        writer.WriteString("ID", service.Id);
        writer.WriteString("Name", service.Service);
        writer.WriteString("Address", service.Address.IdnHost.Trim('[', ']'));
        writer.WriteNumber("Port", service.Address.Port);
        writer.WriteStartArray("Tags");
        foreach (string tag in service.Tags)
        {
            writer.WriteStringValue(tag);
        }

        writer.WriteEndArray();
        writer.WriteStartObject("Meta");
        foreach ((string key, string value) in service.Metadata)
        {
            writer.WriteString(key, value);
        }

        if (!service.Metadata.ContainsKey("scheme"))
        {
            writer.WriteString("scheme", service.Address.Scheme);
        }

        writer.WriteEndObject();
        writer.WriteStartObject("Check");
        writer.WriteString("CheckID", service.CheckId);
        writer.WriteString("Name", "heartbeat");
        writer.WriteString("TTL", Duration(service.Ttl));
        writer.WriteString("Status", StatusName(health));
        writer.WriteString("DeregisterCriticalServiceAfter", Duration(service.DeregisterAfter));
        writer.WriteEndObject();
    });

    private static byte[] Json(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static string StatusName(NodeHealth health) => health switch
    {
        NodeHealth.Passing => "passing",
        NodeHealth.Warning => "warning",
        NodeHealth.Critical => "critical",
        _ => throw new ArgumentOutOfRangeException(nameof(health), health, null),
    };

    private static void Append(StringBuilder path, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            path.Append(CultureInfo.InvariantCulture, $"&{name}={Uri.EscapeDataString(value)}");
        }
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.FirstOrDefault() : null;
}

/// <summary>An answer about a service's health.</summary>
/// <param name="Health">The instances.</param>
/// <param name="Index">What to ask for next; 0 when the agent named none.</param>
/// <param name="Filtered">Whether the token may not see all of it.</param>
internal sealed record ConsulHealthAnswer(ConsulHealth Health, ulong Index, bool Filtered);
