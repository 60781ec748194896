using HelixFlow.Gateway.Requests;
using HelixFlow.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Membership;

/// <summary>This process among the gateways that share a database: it says that it lives, and as long as it does, what it has taken is left to it.</summary>
/// <remarks>
/// Work that outlives requests (responses in the background, batches, files on their way into vector stores) has an owner. What a process that has died
/// owned is taken by another one; what a process writes of its work it writes only while it is the owner. The clocks of the machines must agree to a few
/// seconds. Thread-safe; registered before all that asks it, so that it starts first and stops last.
/// </remarks>
internal sealed partial class GatewayMembership(IDatabase database, GatewayOptions options, TimeProvider time, ILogger<GatewayMembership> logger) : BackgroundService
{
    /// <summary>SQL that is true for a row that nobody owns but this process or one that has died; <c>$1</c> is <see cref="Id"/>, <c>$2</c> is <see cref="Now"/>.</summary>
    public const string IsFree = "(owner is null or owner = $1 or owner not in (select id from gateways where alive_until > $2))";

    private const int BeatsPerLifetime = 6; // a few may be late
    private static readonly TimeSpan Memory = TimeSpan.FromHours(1);

    /// <summary>What this process is called in the database.</summary>
    public string Id { get; } = ObjectId.New("gateway_");

    /// <summary>Whether others may use the database at the same time.</summary>
    public bool IsShared => database.Dialect == SqlDialect.Postgres;

    /// <summary>How often to look for work that another process has left.</summary>
    public TimeSpan LookInterval => options.MemberLifetime / BeatsPerLifetime;

    /// <summary>Milliseconds since 1970.</summary>
    public long Now => time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <inheritdoc/>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        if (!IsShared)
        {
            // One process has the file: whoever had it before has ended.
            await database.WriteAsync(static session => session.Execute("delete from gateways"), cancellationToken);
        }

        await SayAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        try
        {
            await database.WriteAsync(session => session.Execute("delete from gateways where id = $1", Id), cancellationToken);
        }
        catch (StorageException exception)
        {
            Late(logger, exception.Message); // others see it when its time is over
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(LookInterval, time, stoppingToken);
            try
            {
                await SayAsync(stoppingToken);
            }
            catch (StorageException exception)
            {
                Late(logger, exception.Message);
            }
        }
    }

    private Task SayAsync(CancellationToken cancellationToken)
    {
        long now = Now;
        return database.WriteAsync(
            session =>
            {
                session.Execute(
                    "insert into gateways (id, alive_until) values ($1, $2) on conflict (id) do update set alive_until = excluded.alive_until", Id, now + (long)options.MemberLifetime.TotalMilliseconds);
                session.Execute("delete from gateways where alive_until < $1", now - (long)Memory.TotalMilliseconds);
            },
            cancellationToken);
    }

    [LoggerMessage(1080, LogLevel.Warning, "This gateway could not say that it lives; others may take its work: {Reason}")]
    private static partial void Late(ILogger logger, string reason);
}
