using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Discovery.Tests.Consul;

/// <summary>
/// A double of a Consul agent, written from Consul's published HTTP API: register and deregister, TTL checks, health of a service with blocking
/// queries, and tokens. It runs on Kestrel on the loopback interface; time is injected.
/// </summary>
internal sealed partial class ConsulDouble : IAsyncDisposable
{
    public const string Datacenter = "dc1";

    private readonly ConsulDoubleState _state;
    private readonly TimeProvider _time;
    private readonly string? _token;
    private WebApplication? _application;
    private int _port;

    private ConsulDouble(TimeProvider time, string? token)
    {
        _time = time;
        _token = token;
        _state = new ConsulDoubleState(time);
    }

    public Uri Url => new($"http://127.0.0.1:{_port}/");

    public ConsulDoubleState State => _state;

    /// <summary>Answers in place of the agent when it returns true.</summary>
    public Func<HttpContext, Task<bool>>? Fault { get; set; }

    /// <param name="time">The clock of TTLs and waits.</param>
    /// <param name="token">The only token that may see and do anything; null: everybody may.</param>
    public static async Task<ConsulDouble> StartAsync(TimeProvider time, string? token = null)
    {
        var consul = new ConsulDouble(time, token);
        await consul.StartAgainAsync();
        return consul;
    }

    /// <summary>Listens again, on the port it had.</summary>
    public async Task StartAgainAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, _port));
        _application = builder.Build();
        _application.Use(AnswerAsync);
        _application.MapPut("/v1/agent/service/register", RegisterAsync);
        _application.MapPut("/v1/agent/service/deregister/{id}", Deregister);
        _application.MapPut("/v1/agent/check/update/{id}", UpdateAsync);
        _application.MapGet("/v1/health/service/{name}", HealthAsync);
        await _application.StartAsync();
        _port = new Uri(_application.Urls.First()).Port;
    }

    /// <summary>Nobody listens any more; questions under way are cut off. What is registered stays.</summary>
    public async Task StopAsync()
    {
        WebApplication application = _application!;
        _application = null;
        using var at_once = new CancellationTokenSource();
        await at_once.CancelAsync();
        try
        {
            await application.StopAsync(at_once.Token);
        }
        catch (OperationCanceledException)
        {
        }

        await application.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_application is not null)
        {
            await StopAsync();
        }
    }

    /// <summary>A duration as Go writes it; null when it is none.</summary>
    private static TimeSpan? Duration(string? text)
    {
        Match match = GoDuration().Match(text ?? "");
        if (!match.Success)
        {
            return null;
        }

        double value = double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
        return match.Groups[2].Value switch
        {
            "ms" => TimeSpan.FromMilliseconds(value),
            "s" => TimeSpan.FromSeconds(value),
            "m" => TimeSpan.FromMinutes(value),
            _ => TimeSpan.FromHours(value),
        };
    }

    private static Task SayAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsync(text);
    }

    private static Task SayAsync(HttpContext context, ConsulDoubleState.Refusal? refusal) =>
        refusal is { } some ? SayAsync(context, some.Status, some.Text) : Task.CompletedTask;

    private static async Task<JsonNode?> BodyAsync(HttpContext context)
    {
        try
        {
            return await JsonNode.ParseAsync(context.Request.Body);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Faults first, then tokens: an unknown one is refused, none may read but sees nothing.</summary>
    private async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        // Read before the question is told of: a fault that a test sets when it knows of one question is for the next.
        Func<HttpContext, Task<bool>>? fault = Fault;
        _state.Asked($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}");
        if (fault is not null && await fault(context))
        {
            return;
        }

        string token = context.Request.Headers["X-Consul-Token"].ToString();
        if (_token is not null && token.Length > 0 && token != _token)
        {
            await SayAsync(context, 403, "ACL not found");
        }
        else if (_token is not null && token.Length == 0 && context.Request.Method == "PUT")
        {
            await SayAsync(context, 403, "Permission denied: anonymous token lacks permission 'service:write'");
        }
        else
        {
            await next(context);
        }
    }

    private async Task RegisterAsync(HttpContext context)
    {
        JsonNode? body = await BodyAsync(context);
        string name = (string?)body?["Name"] ?? "";
        JsonNode? check = body?["Check"];
        TimeSpan? ttl = Duration((string?)check?["TTL"]);
        TimeSpan? after = Duration((string?)check?["DeregisterCriticalServiceAfter"]);
        Dictionary<string, string> meta = body?["Meta"]?.AsObject().ToDictionary(pair => pair.Key, pair => (string)pair.Value!) ?? [];
        if (name.Length == 0)
        {
            await SayAsync(context, 400, "Missing service name");
        }
        else if (check is not null && ttl is null)
        {
            await SayAsync(context, 400, "Invalid check: TTL must be > 0 for TTL checks");
        }
        else if (meta.Count > 64 || meta.Any(pair => !MetaKey().IsMatch(pair.Key) || pair.Key.Length > 128 || pair.Value.Length > 512))
        {
            await SayAsync(context, 400, "Invalid Service Meta");
        }
        else
        {
            string id = (string?)body!["ID"] ?? name;
            await SayAsync(context, _state.Register(new ConsulDoubleState.Service
            {
                Id = id,
                Name = name,
                Address = (string?)body["Address"] ?? "",
                Port = (int?)body["Port"] ?? 0,
                Tags = [.. body["Tags"]?.AsArray().Select(tag => (string)tag!) ?? []],
                Meta = meta,
                CheckId = (string?)check?["CheckID"] ?? $"service:{id}",
                Status = (string?)check?["Status"] ?? "critical",
                Ttl = ttl,
                DeregisterAfter = after < TimeSpan.FromMinutes(1) ? TimeSpan.FromMinutes(1) : after,
            }));
        }
    }

    private Task Deregister(HttpContext context) => SayAsync(context, _state.Deregister((string)context.GetRouteValue("id")!));

    private async Task UpdateAsync(HttpContext context)
    {
        JsonNode? body = await BodyAsync(context);
        string status = (string?)body?["Status"] ?? "";
        await (status is "passing" or "warning" or "critical"
            ? SayAsync(context, _state.Update((string)context.GetRouteValue("id")!, status, (string?)body?["Output"] ?? ""))
            : SayAsync(context, 400, $"Invalid check status: '{status}'"));
    }

    private async Task HealthAsync(HttpContext context)
    {
        IQueryCollection query = context.Request.Query;
        string dc = query["dc"].ToString();
        if (dc.Length > 0 && dc != Datacenter)
        {
            await SayAsync(context, 500, "No path to datacenter");
            return;
        }

        if (ulong.TryParse(query["index"], NumberStyles.None, CultureInfo.InvariantCulture, out ulong index) && index > 0)
        {
            await WaitAsync(index, Duration(query["wait"]) ?? TimeSpan.FromMinutes(5), context.RequestAborted);
        }

        bool hidden = _token is not null && context.Request.Headers["X-Consul-Token"].ToString() != _token;
        (ulong now, JsonArray instances) = _state.Health(
            (string)context.GetRouteValue("name")!, query["tag"].ToString(), passing: query.ContainsKey("passing"), hidden);
        context.Response.Headers["X-Consul-Index"] = now.ToString(CultureInfo.InvariantCulture);
        context.Response.Headers["X-Consul-KnownLeader"] = "true";
        if (hidden)
        {
            context.Response.Headers["X-Consul-Results-Filtered-By-ACLs"] = "true";
        }

        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(instances.ToJsonString());
    }

    /// <summary>Until the index is above this one, or the wait is over: also when the index is far below it.</summary>
    private async Task WaitAsync(ulong index, TimeSpan wait, CancellationToken clientGone)
    {
        using var over = new CancellationTokenSource(wait, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, clientGone);
        try
        {
            await _state.UntilAsync(state => state.Index > index, either.Token);
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
        }
    }

    [GeneratedRegex(@"^(\d+(?:\.\d+)?)(ms|s|m|h)$")]
    private static partial Regex GoDuration();

    [GeneratedRegex("^[a-zA-Z0-9_-]+$")]
    private static partial Regex MetaKey();
}
