using Microsoft.Data.Sqlite;

namespace HelixFlow.Storage;

/// <summary>One connection to a database, with its statements compiled once each.</summary>
/// <remarks>Used by one thread at a time. Parameters are <c>$1</c>, <c>$2</c>… in the order of the arguments; a null argument is SQL's NULL.</remarks>
public sealed class SqliteSession : IDisposable
{
    // A caller that builds its statements from pieces must not fill the memory with compiled ones.
    private const int MostStatements = 512;

    private readonly Dictionary<string, SqliteCommand> _statements = new(StringComparer.Ordinal);

    internal SqliteSession(SqliteConnection connection) => Connection = connection;

    /// <summary>The connection, for what the other members do not offer. Transactions are not the caller's: a write is inside one already.</summary>
    public SqliteConnection Connection { get; }

    /// <summary>Runs a statement; the result is the number of rows it changed.</summary>
    /// <exception cref="SqliteException">The statement is wrong or violates a constraint.</exception>
    public int Execute(string sql, params ReadOnlySpan<object?> arguments) => Prepare(sql, arguments).ExecuteNonQuery();

    /// <summary>The rows of a query, each read by <paramref name="read"/>.</summary>
    public List<T> Query<T>(string sql, Func<SqliteDataReader, T> read, params ReadOnlySpan<object?> arguments)
    {
        var rows = new List<T>();
        using SqliteDataReader reader = Prepare(sql, arguments).ExecuteReader();
        while (reader.Read())
        {
            rows.Add(read(reader));
        }

        return rows;
    }

    /// <summary>The first row of a query; the default value when it has none.</summary>
    public T? First<T>(string sql, Func<SqliteDataReader, T> read, params ReadOnlySpan<object?> arguments)
    {
        using SqliteDataReader reader = Prepare(sql, arguments).ExecuteReader();
        return reader.Read() ? read(reader) : default;
    }

    /// <summary>The first column of the first row as a whole number; 0 when it is NULL or there is no row.</summary>
    public long Number(string sql, params ReadOnlySpan<object?> arguments) => Prepare(sql, arguments).ExecuteScalar() as long? ?? 0;

    /// <inheritdoc />
    public void Dispose()
    {
        Forget();
        Connection.Dispose();
    }

    private SqliteCommand Prepare(string sql, ReadOnlySpan<object?> arguments)
    {
        if (!_statements.TryGetValue(sql, out SqliteCommand? command))
        {
            if (_statements.Count == MostStatements)
            {
                Forget();
            }

            command = Connection.CreateCommand();
            command.CommandText = sql;
            for (int i = 1; i <= arguments.Length; i++)
            {
                command.Parameters.Add(new SqliteParameter { ParameterName = "$" + i });
            }

            _statements.Add(sql, command);
        }

        if (command.Parameters.Count != arguments.Length)
        {
            throw new ArgumentException($"The statement was used with {command.Parameters.Count} arguments before, not {arguments.Length}: {sql}");
        }

        for (int i = 0; i < arguments.Length; i++)
        {
            command.Parameters[i].Value = arguments[i] ?? DBNull.Value;
        }

        return command;
    }

    private void Forget()
    {
        foreach (SqliteCommand command in _statements.Values)
        {
            command.Dispose();
        }

        _statements.Clear();
    }
}
