using System.Data.Common;
using System.Globalization;
using Microsoft.Data.Sqlite;

namespace HelixFlow.Storage;

/// <summary>One connection to a database, with its statements prepared once each.</summary>
/// <remarks>
/// Used by one thread at a time. Parameters are <c>$1</c>, <c>$2</c>… in the order of the arguments; a null argument is SQL's NULL. Whole numbers are
/// <see langword="long"/>, times are whole milliseconds since 1970, truth values are 0 and 1: these mean the same in every database.
/// </remarks>
public sealed class SqlSession : IDisposable
{
    // A caller that builds its statements from pieces must not fill the memory with prepared ones.
    private const int MostStatements = 512;

    private readonly Dictionary<string, DbCommand> _statements = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SqliteStatement?> _direct = new(StringComparer.Ordinal);
    private readonly bool _namesParameters;

    internal SqlSession(DbConnection connection, bool namesParameters)
    {
        Connection = connection;
        _namesParameters = namesParameters;
    }

    internal DbConnection Connection { get; }

    /// <summary>Runs a statement; the result is the number of rows it changed.</summary>
    /// <exception cref="DbException">The statement is wrong or violates a constraint.</exception>
    public int Execute(string sql, params ReadOnlySpan<object?> arguments) =>
        Direct(sql, arguments) is { } statement ? statement.Execute(arguments) : Prepare(sql, arguments).ExecuteNonQuery();

    /// <summary>The rows of a query, or of a statement that returns what it changed, each read by <paramref name="read"/>.</summary>
    /// <exception cref="DbException">The statement is wrong or violates a constraint.</exception>
    public List<T> Query<T>(string sql, Func<DbDataReader, T> read, params ReadOnlySpan<object?> arguments)
    {
        var rows = new List<T>();
        using DbDataReader reader = Prepare(sql, arguments).ExecuteReader();
        while (reader.Read())
        {
            rows.Add(read(reader));
        }

        return rows;
    }

    /// <summary>The first row of a query; the default value when it has none.</summary>
    /// <exception cref="DbException">The statement is wrong or violates a constraint.</exception>
    public T? First<T>(string sql, Func<DbDataReader, T> read, params ReadOnlySpan<object?> arguments)
    {
        using DbDataReader reader = Prepare(sql, arguments).ExecuteReader();
        return reader.Read() ? read(reader) : default;
    }

    /// <summary>The first column of the first row as a whole number; 0 when it is NULL or there is no row.</summary>
    /// <exception cref="DbException">The statement is wrong or violates a constraint.</exception>
    public long Number(string sql, params ReadOnlySpan<object?> arguments) =>
        Direct(sql, arguments) is { } statement ? statement.Number(arguments) : Prepare(sql, arguments).ExecuteScalar() is { } value and not DBNull ? Convert.ToInt64(value, CultureInfo.InvariantCulture) : 0;

    /// <inheritdoc />
    public void Dispose()
    {
        Forget();
        Connection.Dispose();
    }

    /// <summary>The statement as SQLite itself prepares it; null for other databases, and for a text of several statements.</summary>
    private SqliteStatement? Direct(string sql, ReadOnlySpan<object?> arguments)
    {
        if (Connection is not SqliteConnection connection)
        {
            return null;
        }

        if (!_direct.TryGetValue(sql, out SqliteStatement? statement))
        {
            if (_direct.Count == MostStatements)
            {
                Forget();
            }

            statement = SqliteStatement.Prepare(connection, sql, arguments.Length);
            _direct.Add(sql, statement);
        }

        return statement is null || statement.Arguments == arguments.Length ? statement
            : throw new ArgumentException($"The statement was used with {statement.Arguments} arguments before, not {arguments.Length}: {sql}");
    }

    private DbCommand Prepare(string sql, ReadOnlySpan<object?> arguments)
    {
        if (!_statements.TryGetValue(sql, out DbCommand? command))
        {
            if (_statements.Count == MostStatements)
            {
                Forget();
            }

            command = Connection.CreateCommand();
            command.CommandText = sql;
            for (int i = 1; i <= arguments.Length; i++)
            {
                DbParameter parameter = command.CreateParameter();
                parameter.ParameterName = _namesParameters ? "$" + i.ToString(CultureInfo.InvariantCulture) : "";
                command.Parameters.Add(parameter);
            }

            _statements.Add(sql, command);
        }

        if (command.Parameters.Count != arguments.Length)
        {
            throw new ArgumentException($"The statement was used with {command.Parameters.Count} arguments before, not {arguments.Length}: {sql}");
        }

        for (int i = 0; i < arguments.Length; i++)
        {
            command.Parameters[i].Value = arguments[i] switch
            {
                null => DBNull.Value,
                int number => (long)number,
                bool flag => flag ? 1L : 0L,
                var value => value,
            };
        }

        return command;
    }

    private void Forget()
    {
        foreach (DbCommand command in _statements.Values)
        {
            command.Dispose();
        }

        _statements.Clear();
        foreach (SqliteStatement? statement in _direct.Values)
        {
            statement?.Dispose();
        }

        _direct.Clear();
    }
}
