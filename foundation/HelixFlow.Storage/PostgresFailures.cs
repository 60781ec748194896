using System.Net.Sockets;
using Npgsql;

namespace HelixFlow.Storage;

/// <summary>What PostgreSQL's error codes mean to a caller (https://www.postgresql.org/docs/current/errcodes-appendix.html).</summary>
internal static class PostgresFailures
{
    private const string PausedTooLong = "25P03"; // idle_in_transaction_session_timeout

    /// <summary>Whether the server has undone a transaction that would succeed when it is run again.</summary>
    public static bool MayRunAgain(PostgresException exception) => exception.SqlState is PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure;

    /// <summary>The failure as a caller sees it; an error of the statement stays what it is.</summary>
    public static Exception Of(NpgsqlException exception) => exception switch
    {
        PostgresException { SqlState: PostgresErrorCodes.DiskFull } => new StorageException(
            StorageFailure.Full, "The database server's disk is full. Nothing was written.", exception),
        PostgresException { SqlState: PausedTooLong } => new StorageException(
            StorageFailure.Unavailable, "The database server has ended a transaction in which this process was silent for too long. Nothing was written.", exception),
        PostgresException { SqlState: PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.TooManyConnections } stopped =>
            new StorageException(StorageFailure.Unavailable, $"The database server takes no requests: {stopped.MessageText}", exception),
        PostgresException { SqlState: PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification or PostgresErrorCodes.InvalidCatalogName } refused =>
            new StorageException(StorageFailure.Unavailable, $"The database server refuses: {refused.MessageText}", exception),
        PostgresException { SqlState: PostgresErrorCodes.DataCorrupted or PostgresErrorCodes.IndexCorrupted or PostgresErrorCodes.IoError } damaged =>
            new StorageException(StorageFailure.Damaged, $"The database is damaged: {damaged.MessageText}", exception),
        PostgresException => exception,
        { InnerException: SocketException or IOException or TimeoutException } => new StorageException(
            StorageFailure.Unavailable, $"The database server cannot be reached, or has broken off: {exception.InnerException.Message}", exception),
        _ => new StorageException(StorageFailure.Unavailable, $"The database server cannot be reached: {exception.Message}", exception),
    };
}
