using System.Collections;
using System.Data.Common;
using System.Text;
using SQLitePCL;

namespace HelixFlow.Storage;

/// <summary>The rows of a <see cref="SqliteStatement"/> that runs, read where SQLite has them; what ADO.NET's own reader adds to each column costs more than the column.</summary>
/// <remarks>
/// Columns are asked for by their place and by the kinds that sessions have: whole numbers, numbers, text, bytes and NULL. What belongs to other kinds of programs
/// (names, schemas, streams) is not there.
/// </remarks>
internal sealed class SqliteRows(SqliteStatement rows) : DbDataReader
{
    public override int FieldCount => rows.Columns;

    public override int Depth => 0;

    public override bool IsClosed => false;

    public override int RecordsAffected => throw NotThere();

    public override bool HasRows => throw NotThere();

    public override object this[int ordinal] => GetValue(ordinal);

    public override object this[string name] => throw NotThere();

    public override bool Read() => rows.Step();

    public override bool NextResult() => false;

    public override bool IsDBNull(int ordinal) => raw.sqlite3_column_type(rows.Handle, ordinal) == raw.SQLITE_NULL;

    public override long GetInt64(int ordinal) => raw.sqlite3_column_type(rows.Handle, ordinal) == raw.SQLITE_NULL
        ? throw new InvalidCastException($"Column {ordinal} is NULL.")
        : raw.sqlite3_column_int64(rows.Handle, ordinal);

    public override double GetDouble(int ordinal) => raw.sqlite3_column_type(rows.Handle, ordinal) == raw.SQLITE_NULL
        ? throw new InvalidCastException($"Column {ordinal} is NULL.")
        : raw.sqlite3_column_double(rows.Handle, ordinal);

    public override string GetString(int ordinal) => raw.sqlite3_column_type(rows.Handle, ordinal) == raw.SQLITE_NULL
        ? throw new InvalidCastException($"Column {ordinal} is NULL.")
        : Encoding.UTF8.GetString(raw.sqlite3_column_blob(rows.Handle, ordinal));

    public override object GetValue(int ordinal) => raw.sqlite3_column_type(rows.Handle, ordinal) switch
    {
        raw.SQLITE_NULL => DBNull.Value,
        raw.SQLITE_INTEGER => raw.sqlite3_column_int64(rows.Handle, ordinal),
        raw.SQLITE_FLOAT => raw.sqlite3_column_double(rows.Handle, ordinal),
        raw.SQLITE_TEXT => GetString(ordinal),
        _ => raw.sqlite3_column_blob(rows.Handle, ordinal).ToArray(),
    };

    public override T GetFieldValue<T>(int ordinal) => (T)GetValue(ordinal);

    public override bool GetBoolean(int ordinal) => GetInt64(ordinal) != 0;

    public override int GetInt32(int ordinal) => checked((int)GetInt64(ordinal));

    public override short GetInt16(int ordinal) => checked((short)GetInt64(ordinal));

    public override byte GetByte(int ordinal) => checked((byte)GetInt64(ordinal));

    public override float GetFloat(int ordinal) => (float)GetDouble(ordinal);

    public override Type GetFieldType(int ordinal) => GetValue(ordinal).GetType();

    public override int GetValues(object[] values)
    {
        int count = Math.Min(values.Length, FieldCount);
        for (int i = 0; i < count; i++)
        {
            values[i] = GetValue(i);
        }

        return count;
    }

    public override long GetBytes(int ordinal, long dataOffset, byte[]? buffer, int bufferOffset, int length) => throw NotThere();

    public override char GetChar(int ordinal) => throw NotThere();

    public override long GetChars(int ordinal, long dataOffset, char[]? buffer, int bufferOffset, int length) => throw NotThere();

    public override string GetDataTypeName(int ordinal) => throw NotThere();

    public override DateTime GetDateTime(int ordinal) => throw NotThere();

    public override decimal GetDecimal(int ordinal) => throw NotThere();

    public override IEnumerator GetEnumerator() => throw NotThere();

    public override Guid GetGuid(int ordinal) => throw NotThere();

    public override string GetName(int ordinal) => throw NotThere();

    public override int GetOrdinal(string name) => throw NotThere();

    private static NotSupportedException NotThere() => new("Rows of a session have whole numbers, numbers, text, bytes and NULL, by their places.");
}
