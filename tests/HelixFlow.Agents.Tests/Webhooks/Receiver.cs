using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Tests.Webhooks;

/// <summary>A receiver of webhooks on loopback that answers what a test says, and keeps what it was told.</summary>
internal sealed class Receiver : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly SemaphoreSlim _arrived = new(0);

    private Receiver(WebApplication app) => _app = app;

    public ConcurrentQueue<Message> Messages { get; } = new();

    /// <summary>What is answered next; 200 when there is nothing left.</summary>
    public ConcurrentQueue<Func<HttpContext, Task>> Answers { get; } = new();

    public string Url => $"{_app.Urls.First()}/hook?tenant=7";

    public static async Task<Receiver> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var receiver = new Receiver(builder.Build());
        receiver._app.Run(receiver.ReceiveAsync);
        await receiver._app.StartAsync(TestContext.Current.CancellationToken);
        return receiver;
    }

    public void AnswerWith(params int[] statuses)
    {
        foreach (int status in statuses)
        {
            Answers.Enqueue(context =>
            {
                context.Response.StatusCode = status;
                return Task.CompletedTask;
            });
        }
    }

    /// <summary>The next message that came, in the order of their arrival.</summary>
    public async Task<Message> NextAsync()
    {
        Assert.True(await _arrived.WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken));
        Assert.True(Messages.TryDequeue(out Message? message));
        return message;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
    }

    private async Task ReceiveAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body, Encoding.UTF8);
        string body = await reader.ReadToEndAsync(context.RequestAborted);
        Messages.Enqueue(new Message(
            context.Request.Path + context.Request.QueryString, body, context.Request.Headers.ToDictionary(static header => header.Key, static header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase)));
        _arrived.Release();
        if (Answers.TryDequeue(out Func<HttpContext, Task>? answer))
        {
            await answer(context);
        }
    }

    internal sealed record Message(string Path, string Body, IReadOnlyDictionary<string, string> Headers)
    {
        public string Id => Headers["webhook-id"];
    }
}
