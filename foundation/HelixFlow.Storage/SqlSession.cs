using System.Data;
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
    private DbBatch? _posted;

    internal SqlSession(DbConnection connection, bool namesParameters)
    {
        Connection = connection;
        _namesParameters = namesParameters;
    }

    internal DbConnection Connection { get; }

    /// <summary>Runs a statement; the result is the number of rows it changed.</summary>
    /// <exception cref="DbException">The statement is wrong or violates a constraint, or one that was posted is or does.</exception>
    public int Execute(string sql, params ReadOnlySpan<object?> arguments)
    {
        if (_posted is null)
        {
            return Direct(sql, arguments) is { } statement ? statement.Execute(arguments) : Prepare(sql, arguments).ExecuteNonQuery();
        }

        DbBatchCommand last = AddToPosted(sql, arguments);
        using DbBatch batch = TakePosted();
        batch.ExecuteNonQuery();
        return last.RecordsAffected;
    }

    /// <summary>
    /// Runs a statement of which nothing is asked, no rows and no count: at once, or where the database is a server with the next statement or the commit, to which it sends
    /// it along. Its errors show there.
    /// </summary>
    public void Post(string sql, params ReadOnlySpan<object?> arguments)
    {
        if (sql.StartsWith("select", StringComparison.OrdinalIgnoreCase))
        {
            throw new ArgumentException($"Rows are asked for with a query: {sql}", nameof(sql));
        }

        if (Connection.CanCreateBatch)
        {
            AddToPosted(sql, arguments);
        }
        else
        {
            Execute(sql, arguments);
        }
    }

    /// <summary>The rows of a query, or of a statement that returns what it changed, each read by <paramref name="read"/>.</summary>
    /// <exception cref="DbException">The statement is wrong or violates a constraint.</exception>
    public List<T> Query<T>(string sql, Func<DbDataReader, T> read, params ReadOnlySpan<object?> arguments) =>
        Read(sql, arguments, read, static (reader, read) =>
        {
            var rows = new List<T>();
            while (reader.Read())
            {
                rows.Add(read(reader));
            }

            return rows;
        });

    /// <summary>The first row of a query; the default value when it has none.</summary>
    /// <exception cref="DbException">The statement is wrong or violates a constraint.</exception>
    public T? First<T>(string sql, Func<DbDataReader, T> read, params ReadOnlySpan<object?> arguments) =>
        Read(sql, arguments, read, static (reader, read) => reader.Read() ? read(reader) : default);

    /// <summary>The first column of the first row as a whole number; 0 when it is NULL or there is no row.</summary>
    /// <exception cref="DbException">The statement is wrong or violates a constraint.</exception>
    public long Number(string sql, params ReadOnlySpan<object?> arguments) => Direct(sql, arguments) is { } statement ? statement.Number(arguments) : Read(
        sql, arguments, 0, static (reader, _) => reader.Read() && reader.GetValue(0) is { } value and not DBNull ? Convert.ToInt64(value, CultureInfo.InvariantCulture) : 0);

    /// <inheritdoc />
    public void Dispose()
    {
        _posted?.Dispose();
        Forget();
        Connection.Dispose();
    }

    /// <summary>Runs what was posted.</summary>
    internal void Flush()
    {
        if (_posted is not null)
        {
            using DbBatch batch = TakePosted();
            batch.ExecuteNonQuery();
        }
    }

    /// <summary>Undoes the transaction; false when the session is of no use any more.</summary>
    internal bool TryUndo()
    {
        _posted?.Dispose();
        _posted = null;
        if (Connection.State != ConnectionState.Open)
        {
            return false; // the server closes the session with some errors, as when it shuts down
        }

        try
        {
            Execute("rollback");
            return true;
        }
        catch (DbException)
        {
            return false;
        }
    }

    private TResult Read<TArgument, TResult>(string sql, ReadOnlySpan<object?> arguments, TArgument argument, Func<DbDataReader, TArgument, TResult> read)
    {
        if (Direct(sql, arguments) is { } statement)
        {
            return statement.Read(arguments, argument, read);
        }

        if (_posted is null)
        {
            using DbDataReader rows = Prepare(sql, arguments).ExecuteReader();
            return read(rows, argument);
        }

        AddToPosted(sql, arguments);
        using DbBatch batch = TakePosted();
        using DbDataReader reader = batch.ExecuteReader(); // what was posted has no rows, so that the first rows are the last statement's
        return read(reader, argument);
    }

    private DbBatch TakePosted()
    {
        DbBatch batch = _posted!;
        _posted = null;
        return batch;
    }

    private DbBatchCommand AddToPosted(string sql, ReadOnlySpan<object?> arguments)
    {
        DbBatchCommand command = (_posted ??= Connection.CreateBatch()).CreateBatchCommand();
        command.CommandText = sql;
        foreach (object? argument in arguments)
        {
            DbParameter parameter = command.CreateParameter();
            parameter.Value = Value(argument);
            command.Parameters.Add(parameter);
        }

        _posted.BatchCommands.Add(command);
        return command;
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
            command.Parameters[i].Value = Value(arguments[i]);
        }

        return command;
    }

    private static object Value(object? argument) => argument switch
    {
        null => DBNull.Value,
        int number => (long)number,
        bool flag => flag ? 1L : 0L,
        var value => value,
    };

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
