using System.Security.Cryptography;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Hints;

/// <summary>Carries hints by the journal's own PostgreSQL server (LISTEN and NOTIFY): every process hears every hint.</summary>
/// <remarks>They are sent outside of the transactions that they are about: a NOTIFY within one makes all commits of the server wait for each other.</remarks>
/// <param name="connectionString">The journal's database, as Npgsql takes it.</param>
/// <param name="time">The clock.</param>
public sealed class PostgresHints(string connectionString, TimeProvider time) : IHintChannel
{
    private readonly PostgresChannel _channel = new(connectionString, "helixflow_agents", time);
    private readonly string _me = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));

    /// <inheritdoc />
    public string Name => "PostgreSQL";

    /// <inheritdoc />
    public async Task SendAsync(IReadOnlyCollection<JournalHint> hints, CancellationToken cancellationToken)
    {
        foreach (string message in HintText.Write(_me, hints, PostgresChannel.MostBytes))
        {
            await _channel.SendAsync(message, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc />
    public Task ListenAsync(Action connected, Action<JournalHint> heard, Action<Exception> failed, CancellationToken cancellationToken) => _channel.ListenAsync(
        connected,
        message =>
        {
            foreach (JournalHint hint in HintText.Read(message, _me))
            {
                heard(hint);
            }
        },
        failed,
        cancellationToken);

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _channel.DisposeAsync();
}
