using System.Net.Http.Json;
using HelixFlow.Cluster.Tests.Processes;

namespace HelixFlow.Cluster.Tests;

/// <summary>Clients that send one short request after the other, until they are told to stop.</summary>
internal sealed class Trickle : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lock = new();
    private readonly List<string> _failures = [];
    private readonly Task[] _clients;
    private int _answers;

    public Trickle(Processes.Cluster cluster, int clients)
    {
        _clients = [.. Enumerable.Range(0, clients).Select(client => Task.Run(() => AskAsync(cluster, client)))];
    }

    /// <summary>Requests that were answered so far.</summary>
    public int Answers => Volatile.Read(ref _answers);

    /// <summary>Waits until so many further requests have been answered or one has failed.</summary>
    public Task UntilFurtherAsync(int count, Func<string> facts)
    {
        int wanted = Answers + count;
        return Eventually.TrueAsync(() => Answers >= wanted || Failures.Length > 0, $"{count} further answers", facts);
    }

    public string Failures
    {
        get
        {
            lock (_lock)
            {
                return string.Join('\n', _failures);
            }
        }
    }

    /// <summary>Waits for the answers under way.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await Task.WhenAll(_clients).WaitAsync(Eventually.Guard);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stopping.Dispose();
    }

    private async Task AskAsync(Processes.Cluster cluster, int client)
    {
        var body = new ChatBody { Seed = 1000 + client, MaxTokens = 8, Stream = false };
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                using HttpResponseMessage response = await cluster.Client.PostAsJsonAsync(new Uri(cluster.Gateway.Address, "/v1/chat/completions"), body, CancellationToken.None);
                if (response.IsSuccessStatusCode)
                {
                    Interlocked.Increment(ref _answers);
                }
                else
                {
                    Fail($"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
                }
            }
            catch (HttpRequestException exception)
            {
                Fail(exception.Message);
            }
        }
    }

    private void Fail(string what)
    {
        lock (_lock)
        {
            _failures.Add(what);
        }
    }
}
