using HelixFlow.Schemas;
using HelixFlow.Storage;

namespace HelixFlow.Cli.Hosting;

/// <summary>Where the services of a gateway process keep their state: SQLite files in its data folder, or one PostgreSQL database that several processes share.</summary>
internal static class Databases
{
    /// <summary>The variable that names the database when no option does: a password on a command line is everyone's.</summary>
    public const string EnvironmentVariable = "HELIXFLOW_DATABASE";

    /// <summary>The variable that names the broker, for the same reason.</summary>
    public const string BrokerVariable = "HELIXFLOW_BROKER";

    /// <summary>Opens a service's tables: a file of its name, or a schema of its own in the shared database.</summary>
    /// <param name="options">Say which.</param>
    /// <param name="service">The folder of its schema scripts: <c>gateway</c> or <c>agents</c>.</param>
    /// <exception cref="StorageException">It cannot be opened.</exception>
    public static IDatabase Open(ServerOptions options, string service) => options.Database is { } shared
        ? PostgresDatabase.Open(PostgresSchema.Use(shared, "helixflow_" + service), Scripts("postgres", service))
        : SqliteDatabase.Open(Path.Combine(Directory.CreateDirectory(options.DataFolder).FullName, service + ".db"), Scripts("sqlite", service));

    /// <summary>Opens a service's blobs: in the folder that is shared with other processes, or in the data folder.</summary>
    /// <param name="dataFolder">The data folder.</param>
    /// <param name="sharedFolder">Null for none.</param>
    /// <param name="name">The folder inside of it.</param>
    public static BlobFolder Blobs(string dataFolder, string? sharedFolder, string name) =>
        sharedFolder is null ? new BlobFolder(Path.Combine(dataFolder, name)) : BlobFolder.Share(Path.Combine(sharedFolder, name), TimeProvider.System);

    private static IReadOnlyList<SchemaScript> Scripts(string dialect, string service) => SchemaScript.Embedded(typeof(IInferencePool).Assembly, $"sql/{dialect}/{service}");
}
