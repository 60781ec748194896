namespace HelixFlow.Storage;

/// <summary>Why a database or a folder of blobs could not do what it was asked.</summary>
public enum StorageFailure
{
    /// <summary>The disk, or a limit that was set, is full: nothing was written. Later writes may succeed.</summary>
    Full,

    /// <summary>Another process has it open.</summary>
    InUse,

    /// <summary>It was written by a newer version of the program, or by something else.</summary>
    Incompatible,

    /// <summary>It is damaged, or the disk under it fails.</summary>
    Damaged,

    /// <summary>More was given than the caller allows.</summary>
    TooLarge,

    /// <summary>The database server cannot be reached or has broken off. What was being written may or may not be there.</summary>
    Unavailable,

    /// <summary>It has been closed.</summary>
    Closed,
}

/// <summary>Storage could not do what it was asked; <see cref="Exception.Message"/> says what and where, for an operator.</summary>
public sealed class StorageException(StorageFailure failure, string message, Exception? cause = null) : IOException(message, cause)
{
    /// <summary>The kind of failure.</summary>
    public StorageFailure Failure { get; } = failure;
}
