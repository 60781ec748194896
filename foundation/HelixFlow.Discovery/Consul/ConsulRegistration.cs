using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Discovery.Consul;

/// <summary>Announces a node to Consul, keeps the announcement alive with heartbeats, and takes it back at the end.</summary>
/// <remarks>
/// Thread-safe. A failing agent is asked again, at a third of the TTL at the latest; an agent that has forgotten the node, because it began anew,
/// is told again. Nothing of this stops the node from serving.
/// </remarks>
public sealed partial class ConsulRegistration
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);

    private readonly ConsulRegistrationOptions _options;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly ILogger _logger;
    private readonly Channel<bool> _changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private volatile Report _report;

    /// <param name="options">What to announce where.</param>
    /// <param name="health">How the node is at first.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">Spreads repeated attempts; shared with nobody.</param>
    /// <param name="logger">Told of changes and failures.</param>
    public ConsulRegistration(ConsulRegistrationOptions options, NodeHealth health, TimeProvider time, Random random, ILogger<ConsulRegistration> logger)
    {
        options.Validate();
        _options = options;
        _report = new Report(health, "");
        _time = time;
        _random = random;
        _logger = logger;
    }

    /// <summary>Says from now on how the node is; Consul is told at once.</summary>
    /// <param name="health">How it is.</param>
    /// <param name="note">For people who look at it in Consul.</param>
    public void SetHealth(NodeHealth health, string note)
    {
        _report = new Report(health, note);
        _changes.Writer.TryWrite(true);
    }

    /// <summary>Announces the node until told to stop, then takes the announcement back and ends. Throws for bugs only. Call once.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        using var client = new ConsulClient(_options.Agent, _time);
        try
        {
            await AnnounceAsync(client, stopping).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }

        try
        {
            // Bounded by the agent's timeout. Without it the TTL runs out, and Consul forgets the node in the end.
            await client.DeregisterAsync(_options.Id, CancellationToken.None).ConfigureAwait(false);
            Log.Deregistered(_logger, _options.Id, _options.Service);
        }
        catch (ConsulException exception)
        {
            Log.NotDeregistered(_logger, _options.Id, _options.Agent, exception.Message);
        }
    }

    private async Task AnnounceAsync(ConsulClient client, CancellationToken stopping)
    {
        TimeSpan heartbeat = _options.Ttl / 3;
        var backoff = new Backoff(heartbeat < FirstPause ? heartbeat : FirstPause, heartbeat, _random);
        bool registered = false;
        Task? change = null;
        while (true)
        {
            TimeSpan pause = heartbeat;
            Report report = _report;
            try
            {
                if (registered && !await client.UpdateCheckAsync(_options.CheckId, report.Health, report.Note, stopping).ConfigureAwait(false))
                {
                    Log.Forgotten(_logger, _options.Agent, _options.Id);
                    registered = false;
                }

                if (!registered)
                {
                    await client.RegisterAsync(_options, report.Health, stopping).ConfigureAwait(false);
                    Log.Registered(_logger, _options.Id, _options.Address, _options.Service, _options.Agent);
                    registered = true;
                }

                backoff.Reset();
            }
            catch (ConsulException exception)
            {
                pause = backoff.Next();
                Log.Failed(_logger, _options.Id, _options.Agent, exception.Message);
            }

            change ??= _changes.Reader.WaitToReadAsync(stopping).AsTask();
            await PauseAsync(change, pause, stopping).ConfigureAwait(false);
            if (change.IsCompleted)
            {
                await change.ConfigureAwait(false);
                _changes.Reader.TryRead(out _);
                change = null;
            }
        }
    }

    /// <summary>Waits for a change, but no longer than this.</summary>
    private async Task PauseAsync(Task change, TimeSpan pause, CancellationToken stopping)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        Task delay = Task.Delay(pause, _time, either.Token);
        await Task.WhenAny(change, delay).ConfigureAwait(false);
        await either.CancelAsync().ConfigureAwait(false);
        stopping.ThrowIfCancellationRequested();
    }

    private sealed record Report(NodeHealth Health, string Note);

    private static partial class Log
    {
        [LoggerMessage(6121, LogLevel.Information, "Registered {Id} at {Address} as {Service} with Consul's agent {Agent}")]
        public static partial void Registered(ILogger logger, string id, Uri address, string service, ConsulAgentOptions agent);

        [LoggerMessage(6122, LogLevel.Warning, "Telling Consul's agent {Agent} about {Id} failed: {Message}")]
        public static partial void Failed(ILogger logger, string id, ConsulAgentOptions agent, string message);

        [LoggerMessage(6123, LogLevel.Warning, "Consul's agent {Agent} has forgotten {Id}; it is registered again")]
        public static partial void Forgotten(ILogger logger, ConsulAgentOptions agent, string id);

        [LoggerMessage(6124, LogLevel.Information, "Took {Id} of {Service} off Consul")]
        public static partial void Deregistered(ILogger logger, string id, string service);

        [LoggerMessage(6125, LogLevel.Warning, "Taking {Id} off Consul's agent {Agent} failed: {Message}; its time to live will run out instead")]
        public static partial void NotDeregistered(ILogger logger, string id, ConsulAgentOptions agent, string message);
    }
}
