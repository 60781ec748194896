namespace HelixFlow.Gateway.Batches;

/// <summary>Where a batch is in its life.</summary>
internal enum BatchStatus
{
    Validating,
    Failed,
    InProgress,
    Finalizing,
    Completed,
    Expired,
    Cancelling,
    Cancelled,
}

/// <summary>The batch's state machine: the names of its states, and what may follow what.</summary>
internal static class BatchLife
{
    private static readonly string[] Names = ["validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"];

    public static IReadOnlyList<BatchStatus> All { get; } = Enum.GetValues<BatchStatus>();

    public static string NameOf(BatchStatus status) => Names[(int)status];

    public static BatchStatus Parse(string name) => Array.IndexOf(Names, name) is >= 0 and int index
        ? (BatchStatus)index
        : throw new InvalidDataException($"The database names an unknown state of a batch: {name}.");

    public static bool IsFinal(BatchStatus status) => status is BatchStatus.Failed or BatchStatus.Completed or BatchStatus.Expired or BatchStatus.Cancelled;

    public static bool MayBecome(BatchStatus from, BatchStatus to) => from switch
    {
        BatchStatus.Validating => to is BatchStatus.InProgress or BatchStatus.Failed or BatchStatus.Expired or BatchStatus.Cancelling,
        BatchStatus.InProgress => to is BatchStatus.Finalizing or BatchStatus.Expired or BatchStatus.Cancelling,
        BatchStatus.Finalizing => to is BatchStatus.Completed,
        BatchStatus.Cancelling => to is BatchStatus.Cancelled,
        BatchStatus.Failed or BatchStatus.Completed or BatchStatus.Expired or BatchStatus.Cancelled => false,
        _ => throw new ArgumentOutOfRangeException(nameof(from), from, null),
    };

    /// <summary>The column that keeps when a state was entered; null for the first state, whose time is the creation's.</summary>
    public static string? ColumnOf(BatchStatus status) => status == BatchStatus.Validating ? null : NameOf(status) + "_at";
}
