using HelixFlow.Schemas;
using HelixFlow.Storage;
using HelixFlow.TestServers;
using Microsoft.Extensions.DependencyInjection;

namespace HelixFlow.Gateway.Tests;

/// <summary>Tests of what the gateway stores: each class runs on SQLite, and its child, which gives it a server, on PostgreSQL.</summary>
/// <param name="postgres">Null for SQLite.</param>
public abstract class StorageTests(PostgresForTests? postgres)
{
    /// <summary>As <see cref="GatewayServer.StartAsync"/>; the same data folder is the same database.</summary>
    internal Task<GatewayServer> StartServerAsync(
        GatewayOptions? options = null, IInferencePool? pool = null, TimeProvider? time = null, Action<IServiceCollection>? configure = null, bool isReady = true)
    {
        options ??= new GatewayOptions();
        options.MemberLifetime = TimeSpan.FromSeconds(1); // servers are dropped here, not stopped: whoever comes next takes their work
        return GatewayServer.StartAsync(options, pool, time, services =>
        {
            postgres?.Register(services, options);
            configure?.Invoke(services);
        }, isReady);
    }
}

/// <summary>A PostgreSQL server that the test classes use one after another.</summary>
public sealed class PostgresForTests : IAsyncLifetime
{
    private readonly Dictionary<string, string> _schemas = [];
    private PostgresServer? _server;

    /// <summary>Gives a gateway the database of its data folder.</summary>
    public void Register(IServiceCollection services, GatewayOptions options)
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        services.AddSingleton<IDatabase>(_ => Open(options.DataFolder));
    }

    /// <summary>Opens the database of a data folder.</summary>
    public PostgresDatabase Open(string folder)
    {
        lock (_schemas)
        {
            if (!_schemas.TryGetValue(folder, out string? schema))
            {
                _schemas.Add(folder, schema = $"gateway_{_schemas.Count}");
            }

            return PostgresDatabase.Open(PostgresSchema.Use(_server!.ConnectionString(), schema), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/postgres/gateway"));
        }
    }

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => _server = PostgresServer.Missing is null ? await PostgresServer.StartAsync() : null;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }
    }
}

/// <summary>The classes that share the server.</summary>
[CollectionDefinition(nameof(PostgresForTests))]
public sealed class PostgresTestClasses : ICollectionFixture<PostgresForTests>;
