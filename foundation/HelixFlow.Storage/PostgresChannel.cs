using Npgsql;

namespace HelixFlow.Storage;

/// <summary>Messages between processes that share a PostgreSQL database (LISTEN and NOTIFY): heard within milliseconds by those who listen, lost to all others.</summary>
/// <remarks>For hints that save waiting, not for anything that must arrive. One caller sends and one listens at a time.</remarks>
/// <param name="connectionString">As Npgsql takes it.</param>
/// <param name="name">The channel's name: letters, digits and underscores.</param>
/// <param name="time">The clock of the pauses before connecting again.</param>
public sealed class PostgresChannel(string connectionString, string name, TimeProvider time) : IAsyncDisposable
{
    /// <summary>The longest message, in bytes of UTF-8; the server refuses longer ones.</summary>
    public const int MostBytes = 7_900;

    private static readonly TimeSpan ReconnectPause = TimeSpan.FromSeconds(1);

    private NpgsqlConnection? _sender;

    /// <summary>Sends a message to all who listen now.</summary>
    /// <exception cref="StorageException">The server cannot be reached; whether anybody has heard it is not known.</exception>
    public async Task SendAsync(string message, CancellationToken cancellationToken)
    {
        try
        {
            _sender ??= await OpenAsync(cancellationToken).ConfigureAwait(false);
            await using NpgsqlCommand notify = _sender.CreateCommand();
            notify.CommandText = "select pg_notify($1, $2)";
            notify.Parameters.Add(new NpgsqlParameter { Value = name });
            notify.Parameters.Add(new NpgsqlParameter { Value = message });
            await notify.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            if (_sender is not null)
            {
                await _sender.DisposeAsync().ConfigureAwait(false);
                _sender = null;
            }

            throw exception is NpgsqlException failure ? PostgresFailures.Of(failure) : exception;
        }
    }

    /// <summary>Listens until it is cancelled, and connects again when the connection breaks.</summary>
    /// <param name="connected">Called when it listens, the first time and again: what was sent before was missed.</param>
    /// <param name="heard">Called with each message, the process's own too.</param>
    /// <param name="failed">Called when the connection could not be made or has broken.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task ListenAsync(Action connected, Action<string> heard, Action<Exception> failed, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await using NpgsqlConnection connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
                connection.Notification += (_, notification) => heard(notification.Payload);
                await using (NpgsqlCommand listen = connection.CreateCommand())
                {
                    listen.CommandText = $"listen {name}";
                    await listen.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
                }

                connected();
                while (true)
                {
                    await connection.WaitAsync(cancellationToken).ConfigureAwait(false);
                }
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                failed(exception);
                await Task.Delay(ReconnectPause, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>Closes the sender's connection.</summary>
    public ValueTask DisposeAsync() => _sender?.DisposeAsync() ?? ValueTask.CompletedTask;

    // A connection of its own, not one of a pool's: it is held for as long as the process lives. Pings find out when the server is gone without a word.
    private async Task<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, KeepAlive = 10 }.ToString());
        try
        {
            await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}
