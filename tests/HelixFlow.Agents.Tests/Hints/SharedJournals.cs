using HelixFlow.Agents.Journal;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using HelixFlow.TestServers;
using Npgsql;

namespace HelixFlow.Agents.Tests.Hints;

/// <summary>A test's own database on a server, and the journals that processes have on it.</summary>
internal sealed class SharedJournals(PostgresServer? server) : IAsyncDisposable
{
    private readonly string _name = "d" + Guid.NewGuid().ToString("N");
    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-dispatch-").FullName;
    private readonly List<PostgresDatabase> _databases = [];

    /// <summary>How Npgsql connects to the database. Skips the test where there is no server.</summary>
    public string Connection
    {
        get
        {
            Assert.SkipWhen(server is null, PostgresServer.Missing ?? "");
            return server.ConnectionString(_name);
        }
    }

    public Agents.Journal.Journal Open()
    {
        if (_databases.Count == 0)
        {
            _ = Connection;
            using var source = NpgsqlDataSource.Create(server!.ConnectionString());
            using NpgsqlCommand create = source.CreateCommand($"create database {_name}");
            create.ExecuteNonQuery();
        }

        _databases.Add(PostgresDatabase.Open(Connection, SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/postgres/agents")));
        return new Agents.Journal.Journal(_databases[^1], new BlobFolder(_folder), TimeProvider.System, new JournalOptions());
    }

    public async ValueTask DisposeAsync()
    {
        foreach (PostgresDatabase database in _databases)
        {
            await database.DisposeAsync();
        }

        Directory.Delete(_folder, recursive: true);
    }
}
