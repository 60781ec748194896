using HelixFlow.Schemas;
using HelixFlow.Storage;
using HelixFlow.TestServers;
using Npgsql;

namespace HelixFlow.Agents.Tests.Journal;

public sealed class SqliteJournalTests : JournalTests, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-journal-").FullName;

    protected override (IDatabase Database, BlobFolder Blobs) Open() => (
        SqliteDatabase.Open(Path.Combine(_folder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents")), new(Path.Combine(_folder, "blobs")));

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}

/// <summary>One server for all tests of the class; each test has a database of its own.</summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    public PostgresServer? Server { get; private set; }

    public async ValueTask InitializeAsync() => Server = PostgresServer.Missing is null ? await PostgresServer.StartAsync() : null;

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
        {
            await Server.DisposeAsync();
        }
    }
}

public sealed class PostgresJournalTests(PostgresFixture fixture) : JournalTests, IClassFixture<PostgresFixture>, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-journal-").FullName;
    private readonly string _name = "j" + Guid.NewGuid().ToString("N");
    private bool _isCreated;

    protected override (IDatabase Database, BlobFolder Blobs) Open()
    {
        Assert.SkipWhen(fixture.Server is null, PostgresServer.Missing ?? "");
        if (!_isCreated)
        {
            using var source = NpgsqlDataSource.Create(fixture.Server.ConnectionString());
            using NpgsqlCommand create = source.CreateCommand($"create database {_name}");
            create.ExecuteNonQuery();
            _isCreated = true;
        }

        return (
            PostgresDatabase.Open(fixture.Server.ConnectionString(_name), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/postgres/agents")),
            new(Path.Combine(_folder, "blobs")));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
