using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Discovery.Consul;

/// <summary>The passing instances of a Consul service, by blocking queries: the agent answers when something changes.</summary>
/// <remarks>
/// By the rules of Consul's documentation of blocking queries: an index that goes backwards is forgotten, one of 0 counts as 1, and when changes come
/// fast the questions are spread by a token bucket of two. After a failure the index is forgotten too, because the agent may have begun
/// anew and would otherwise be silent until its index has caught up. An instance that is not passing (its TTL ran out, or it warns because it
/// drains) is not in the set.
/// </remarks>
public sealed partial class ConsulDiscovery : INodeDiscovery
{
    private const double Burst = 2;

    private readonly ConsulDiscoveryOptions _options;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly ILogger _logger;

    /// <param name="options">Whom to ask for what.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">Spreads repeated attempts; shared with nobody.</param>
    /// <param name="logger">Told of failures.</param>
    public ConsulDiscovery(ConsulDiscoveryOptions options, TimeProvider time, Random random, ILogger<ConsulDiscovery> logger)
    {
        options.Validate();
        _options = options;
        _time = time;
        _random = random;
        _logger = logger;
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<IReadOnlyList<NodeAddress>> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var client = new ConsulClient(_options.Agent, _time);
        var backoff = new Backoff(_options.FirstPause, _options.LongestPause, SeedOf(_random));
        IReadOnlyList<NodeAddress>? last = null;
        ulong index = 0;
        double tokens = Burst;
        long filledAt = _time.GetTimestamp();
        while (true)
        {
            TimeSpan pause;
            ConsulHealthAnswer? answer = null;
            try
            {
                answer = await client.HealthAsync(_options, index, cancellationToken).ConfigureAwait(false);
            }
            catch (ConsulException exception)
            {
                Log.Failed(_logger, _options.Service, _options.Agent, exception.Message);
            }

            if (answer is null)
            {
                index = 0;
                pause = backoff.Next();
            }
            else
            {
                backoff.Reset();
                Report(answer);
                index = answer.Index < index ? 0 : Math.Max(1, answer.Index);
                tokens = Math.Min(Burst, tokens + (_time.GetElapsedTime(filledAt) / _options.ChurnInterval)) - 1;
                filledAt = _time.GetTimestamp();
                pause = tokens < 0 ? _options.ChurnInterval * -tokens : TimeSpan.Zero;
            }

            IReadOnlyList<NodeAddress> current = answer?.Health.Nodes ?? last ?? [];
            if (last is null || !current.SequenceEqual(last))
            {
                last = current;
                yield return current;
            }

            if (pause > TimeSpan.Zero)
            {
                await Task.Delay(pause, _time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>A generator of this watch's own, since a shared one is not thread-safe.</summary>
    private static Random SeedOf(Random random)
    {
        lock (random)
        {
            return new Random(random.Next());
        }
    }

    private void Report(ConsulHealthAnswer answer)
    {
        if (answer.Filtered)
        {
            Log.Filtered(_logger, _options.Service, _options.Agent);
        }

        if (answer.Health.Skipped > 0)
        {
            Log.Skipped(_logger, _options.Service, answer.Health.Skipped);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(6111, LogLevel.Warning, "Asking for {Service} at Consul's agent {Agent} failed: {Message}; the nodes known before are kept")]
        public static partial void Failed(ILogger logger, string service, ConsulAgentOptions agent, string message);

        [LoggerMessage(6112, LogLevel.Warning, "The token may not see all of {Service} at Consul's agent {Agent}: it needs service:read and node:read")]
        public static partial void Filtered(ILogger logger, string service, ConsulAgentOptions agent);

        [LoggerMessage(6113, LogLevel.Warning, "{Count} instances of {Service} in Consul have no usable address and port")]
        public static partial void Skipped(ILogger logger, string service, int count);
    }
}
