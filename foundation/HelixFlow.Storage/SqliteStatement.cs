using System.Buffers;
using System.Data.Common;
using System.Globalization;
using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace HelixFlow.Storage;

/// <summary>A prepared statement of SQLite: the database's own calls, without what ADO.NET adds to each execution.</summary>
/// <remarks>Used by one thread at a time, and disposed before its connection.</remarks>
internal sealed class SqliteStatement : IDisposable
{
    private const int LongestTextOnStack = 256;

    private readonly sqlite3 _database;
    private readonly sqlite3_stmt _statement;
    private readonly int[] _places;
    private readonly bool _changesRows;
    private readonly SqliteRows _rows;

    private SqliteStatement(sqlite3 database, sqlite3_stmt statement, int[] places)
    {
        _database = database;
        _statement = statement;
        _places = places;
        _changesRows = raw.sqlite3_stmt_readonly(statement) == 0;
        _rows = new SqliteRows(this);
    }

    /// <summary>SQLite's own object.</summary>
    public sqlite3_stmt Handle => _statement;

    /// <summary>How many columns its rows have.</summary>
    public int Columns => raw.sqlite3_column_count(_statement);

    /// <summary>How many arguments it takes.</summary>
    public int Arguments => _places.Length;

    /// <summary>Prepares a statement; null when the text holds several.</summary>
    /// <exception cref="SqliteException">The statement is wrong.</exception>
    public static SqliteStatement? Prepare(SqliteConnection connection, string sql, int arguments)
    {
        sqlite3 database = connection.Handle!;
        int result = raw.sqlite3_prepare_v2(database, sql, out sqlite3_stmt statement, out string rest);
        SqliteException.ThrowExceptionForRC(result, database);
        if (!string.IsNullOrWhiteSpace(rest) || statement.IsInvalid)
        {
            raw.sqlite3_finalize(statement);
            return null;
        }

        int[] places = new int[arguments];
        for (int i = 0; i < arguments; i++)
        {
            places[i] = raw.sqlite3_bind_parameter_index(statement, "$" + (i + 1).ToString(CultureInfo.InvariantCulture));
        }

        return new SqliteStatement(database, statement, places);
    }

    /// <summary>Runs it; the result is the number of rows it changed.</summary>
    /// <exception cref="SqliteException">It violates a constraint, or the disk fails.</exception>
    public int Execute(ReadOnlySpan<object?> arguments)
    {
        try
        {
            Bind(arguments);
            int result;
            while ((result = raw.sqlite3_step(_statement)) == raw.SQLITE_ROW)
            {
            }

            SqliteException.ThrowExceptionForRC(result == raw.SQLITE_DONE ? raw.SQLITE_OK : result, _database);
            return _changesRows ? raw.sqlite3_changes(_database) : 0;
        }
        finally
        {
            raw.sqlite3_reset(_statement);
        }
    }

    /// <summary>Runs it; the result is the first column of its first row as a whole number, 0 for NULL and for no row.</summary>
    /// <exception cref="SqliteException">It violates a constraint, or the disk fails.</exception>
    public long Number(ReadOnlySpan<object?> arguments)
    {
        try
        {
            Bind(arguments);
            int result = raw.sqlite3_step(_statement);
            SqliteException.ThrowExceptionForRC(result is raw.SQLITE_DONE or raw.SQLITE_ROW ? raw.SQLITE_OK : result, _database);
            return result == raw.SQLITE_DONE ? 0 : raw.sqlite3_column_type(_statement, 0) switch
            {
                raw.SQLITE_NULL => 0,
                raw.SQLITE_INTEGER => raw.sqlite3_column_int64(_statement, 0),
                raw.SQLITE_FLOAT => Convert.ToInt64(raw.sqlite3_column_double(_statement, 0)),
                _ => Convert.ToInt64(raw.sqlite3_column_text(_statement, 0).utf8_to_string(), CultureInfo.InvariantCulture),
            };
        }
        finally
        {
            raw.sqlite3_reset(_statement);
        }
    }

    /// <summary>Runs it and reads its rows; it must not run again meanwhile.</summary>
    /// <exception cref="SqliteException">It violates a constraint, or the disk fails.</exception>
    public TResult Read<TArgument, TResult>(ReadOnlySpan<object?> arguments, TArgument argument, Func<DbDataReader, TArgument, TResult> read)
    {
        try
        {
            Bind(arguments);
            return read(_rows, argument);
        }
        finally
        {
            raw.sqlite3_reset(_statement);
        }
    }

    /// <summary>Goes to the next row; false after the last one.</summary>
    public bool Step()
    {
        int result = raw.sqlite3_step(_statement);
        SqliteException.ThrowExceptionForRC(result is raw.SQLITE_DONE or raw.SQLITE_ROW ? raw.SQLITE_OK : result, _database);
        return result == raw.SQLITE_ROW;
    }

    /// <inheritdoc />
    public void Dispose() => raw.sqlite3_finalize(_statement);

    private void Bind(ReadOnlySpan<object?> arguments)
    {
        for (int i = 0; i < arguments.Length; i++)
        {
            int place = _places[i];
            if (place == 0)
            {
                continue; // the statement does not use it
            }

            int result = arguments[i] switch
            {
                null => raw.sqlite3_bind_null(_statement, place),
                long number => raw.sqlite3_bind_int64(_statement, place, number),
                int number => raw.sqlite3_bind_int64(_statement, place, number),
                bool flag => raw.sqlite3_bind_int64(_statement, place, flag ? 1 : 0),
                string { Length: 0 } => raw.sqlite3_bind_text(_statement, place, ""), // an empty span would be NULL
                string text => BindText(place, text),
                byte[] { Length: 0 } => raw.sqlite3_bind_zeroblob(_statement, place, 0),
                byte[] bytes => raw.sqlite3_bind_blob(_statement, place, bytes),
                double number => raw.sqlite3_bind_double(_statement, place, number),
                var other => throw new ArgumentException($"A {other.GetType().Name} is no argument of a statement."),
            };
            SqliteException.ThrowExceptionForRC(result, _database);
        }
    }

    private int BindText(int place, string text)
    {
        int most = Encoding.UTF8.GetMaxByteCount(text.Length);
        if (most <= LongestTextOnStack)
        {
            Span<byte> bytes = stackalloc byte[LongestTextOnStack];
            return raw.sqlite3_bind_text(_statement, place, bytes[..Encoding.UTF8.GetBytes(text, bytes)]);
        }

        byte[] rented = ArrayPool<byte>.Shared.Rent(most);
        int result = raw.sqlite3_bind_text(_statement, place, rented.AsSpan(0, Encoding.UTF8.GetBytes(text, rented)));
        ArrayPool<byte>.Shared.Return(rented);
        return result;
    }
}
