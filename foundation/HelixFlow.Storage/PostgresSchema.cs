using System.Text.RegularExpressions;
using Npgsql;

namespace HelixFlow.Storage;

/// <summary>Lets several services keep their tables in one PostgreSQL database, each in a schema of its own.</summary>
public static partial class PostgresSchema
{
    /// <summary>Makes a schema if it is not there.</summary>
    /// <param name="connectionString">Of the database.</param>
    /// <param name="name">The schema: lower-case letters, digits and underscores.</param>
    /// <returns>The connection string with which tables are made and found there.</returns>
    /// <exception cref="StorageException">The database cannot be reached or refuses.</exception>
    /// <exception cref="ArgumentException">The connection string or the name is none.</exception>
    public static string Use(string connectionString, string name)
    {
        if (!Name().IsMatch(name))
        {
            throw new ArgumentException($"\"{name}\" is no name of a schema: lower-case letters, digits and underscores.", nameof(name));
        }

        var settings = new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false };
        try
        {
            using var connection = new NpgsqlConnection(settings.ConnectionString);
            connection.Open();
            using var command = new NpgsqlCommand($"create schema if not exists {name}", connection);
            command.ExecuteNonQuery();
        }
        catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            // Another process has made it in this moment.
        }
        catch (NpgsqlException exception)
        {
            throw PostgresFailures.Of(exception);
        }

        return new NpgsqlConnectionStringBuilder(connectionString) { SearchPath = name }.ConnectionString;
    }

    [GeneratedRegex("^[a-z_][a-z0-9_]{0,62}$")]
    private static partial Regex Name();
}
