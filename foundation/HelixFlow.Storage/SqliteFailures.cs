using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace HelixFlow.Storage;

/// <summary>What SQLite's result codes mean to a caller (https://sqlite.org/rescode.html).</summary>
internal static class SqliteFailures
{
    /// <summary>Whether a code tells of the disk or the file, not of the statement.</summary>
    public static bool IsOfDisk(SqliteException exception) => FailureOf(exception.SqliteErrorCode) is not null;

    /// <summary>The failure as a caller sees it; an error of the statement stays what it is.</summary>
    public static Exception Of(string path, SqliteException exception) => FailureOf(exception.SqliteErrorCode) switch
    {
        StorageFailure.Full => new StorageException(StorageFailure.Full, $"{path} cannot grow: the disk, or the limit set for it, is full. Nothing was written.", exception),
        StorageFailure.InUse => new StorageException(StorageFailure.InUse, $"{path} is locked by another process.", exception),
        StorageFailure.Incompatible => new StorageException(StorageFailure.Incompatible, $"{path} is not a SQLite database.", exception),
        StorageFailure.Damaged => new StorageException(StorageFailure.Damaged, $"{path} cannot be read or written: {exception.Message}", exception),
        _ => exception,
    };

    private static StorageFailure? FailureOf(int code) => code switch
    {
        raw.SQLITE_FULL => StorageFailure.Full,
        raw.SQLITE_BUSY or raw.SQLITE_LOCKED => StorageFailure.InUse,
        raw.SQLITE_NOTADB => StorageFailure.Incompatible,
        raw.SQLITE_CORRUPT or raw.SQLITE_IOERR or raw.SQLITE_CANTOPEN or raw.SQLITE_READONLY => StorageFailure.Damaged,
        _ => null,
    };
}
