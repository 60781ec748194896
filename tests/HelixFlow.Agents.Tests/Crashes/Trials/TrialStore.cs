using System.Net;
using System.Net.Sockets;
using HelixFlow.Agents.CrashHost;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using HelixFlow.TestServers;
using Npgsql;

namespace HelixFlow.Agents.Tests.Crashes.Trials;

/// <summary>A database and a folder for each trial, copied from a template, which costs less than making the schema anew.</summary>
/// <remarks>Trials at the same time have a source each: one of them may crash the server.</remarks>
internal sealed class TrialSource : IAsyncDisposable
{
    private const string TemplateName = "trial_template";

    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-trials-").FullName;
    private RabbitServer? _broker;
    private int _made;

    private TrialSource(PostgresServer? server) => Server = server;

    /// <summary>The server; null for SQLite.</summary>
    public PostgresServer? Server { get; }

    public static async Task<TrialSource> CreateAsync(TrialKind kind)
    {
        var source = new TrialSource(kind == TrialKind.Shared ? await PostgresServer.StartAsync() : null);
        if (source.Server is { } server)
        {
            await ExecuteAsync(server, $"create database {TemplateName}");
            await using IDatabase template = Shared(server, TemplateName);
            await QueueTrace.InstallAsync(template);
        }
        else
        {
            await using IDatabase template = Embedded(source._folder);
            await QueueTrace.InstallAsync(template);
        }

        return source;
    }

    /// <summary>The broker, started when it is asked for first; null where none is installed.</summary>
    public async Task<RabbitServer?> BrokerAsync() => _broker ??= RabbitServer.Missing is null ? await RabbitServer.StartAsync() : null;

    /// <summary>A new database.</summary>
    public async Task<TrialStore> MakeAsync()
    {
        string name = $"trial_{++_made}";
        string folder = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        if (Server is null)
        {
            File.Copy(Path.Combine(_folder, "agents.db"), Path.Combine(folder, "agents.db"));
        }
        else
        {
            await ExecuteAsync(Server, $"create database {name} template {TemplateName}");
        }

        return new TrialStore(Server, name, folder);
    }

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
        {
            await Server.DisposeAsync();
        }

        if (_broker is not null)
        {
            await _broker.DisposeAsync();
        }

        Directory.Delete(_folder, recursive: true);
    }

    internal static IDatabase Embedded(string folder) =>
        SqliteDatabase.Open(Path.Combine(folder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents"));

    internal static IDatabase Shared(PostgresServer server, string name) =>
        PostgresDatabase.Open(Unpooled(server, name), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/postgres/agents"));

    // The server may be started anew between two uses of a connection.
    private static string Unpooled(PostgresServer server, string database) => server.ConnectionString(database) + ";Pooling=false";

    internal static async Task ExecuteAsync(PostgresServer server, string sql)
    {
        await using NpgsqlDataSource source = NpgsqlDataSource.Create(Unpooled(server, "postgres"));
        await using NpgsqlCommand command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }
}

/// <summary>The database and the folder of one trial.</summary>
internal sealed class TrialStore(PostgresServer? server, string name, string folder) : IAsyncDisposable
{
    public string Folder => folder;

    public string Effects => Directory.CreateDirectory(Path.Combine(folder, "effects")).FullName;

    /// <summary>A port on which a host may serve its journal, again and again. It is not one that systems give to those who ask for any.</summary>
    public int Port { get; } = FreePort();

    /// <summary>How a host connects; null for SQLite.</summary>
    public string? Connection => server?.ConnectionString(name);

    /// <summary>Opens the database here; with SQLite no host may have it open then.</summary>
    public IDatabase Open() => server is null ? TrialSource.Embedded(folder) : TrialSource.Shared(server, name);

    public Agents.Journal.Journal JournalOn(IDatabase database, long offsetMs) =>
        new(database, new BlobFolder(Path.Combine(folder, "blobs")), TimeProvider.System, TrialHost.Sharing()) { ClockSkewMs = offsetMs };

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
        {
            await TrialSource.ExecuteAsync(server, $"drop database {name} with (force)");
        }

        Directory.Delete(folder, recursive: true);
    }

    private static int FreePort()
    {
        while (true)
        {
            using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                int port = Random.Shared.Next(12_000, 32_000);
                probe.Bind(new IPEndPoint(IPAddress.Loopback, port));
                return port;
            }
            catch (SocketException)
            {
            }
        }
    }
}
