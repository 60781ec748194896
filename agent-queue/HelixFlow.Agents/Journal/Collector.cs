using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>What a collection has deleted, or would.</summary>
/// <param name="Runs">Runs whose time was up.</param>
/// <param name="Values">Values that nothing reached.</param>
/// <param name="Bytes">Their length together.</param>
public readonly record struct Collected(long Runs, long Values, long Bytes)
{
    /// <summary>Both together.</summary>
    public static Collected operator +(Collected a, Collected b) => new(a.Runs + b.Runs, a.Values + b.Values, a.Bytes + b.Bytes);

    /// <inheritdoc cref="op_Addition" />
    public static Collected Add(Collected left, Collected right) => left + right;
}

/// <summary>Goes through a journal piece by piece: deletes runs whose time is up, then values that nothing reaches.</summary>
/// <remarks>
/// Every piece is a few short transactions, each right by itself: several collectors, in several processes, may work on one journal, and one that ends
/// midway has only left something for the next. Used by one caller at a time.
/// </remarks>
public sealed class Collector(Journal journal)
{
    private EndedPlace _place;
    private string _hash = "";
    private bool _areRunsDone;

    /// <summary>Does the next piece.</summary>
    /// <param name="most">The most runs, or values, to look at.</param>
    /// <param name="cancellationToken">Ends it between two transactions.</param>
    /// <returns>What it has deleted, and whether the journal was gone through: the next piece begins it anew.</returns>
    public async Task<(Collected Deleted, bool IsDone)> StepAsync(int most, CancellationToken cancellationToken)
    {
        if (!_areRunsDone)
        {
            return (await ExpireAsync(most, cancellationToken).ConfigureAwait(false), false);
        }

        (List<Blob> unreached, string? next) = await journal.UnreachedAsync(_hash, most, cancellationToken).ConfigureAwait(false);
        (int values, long bytes) = await journal.CollectAsync(unreached, cancellationToken).ConfigureAwait(false);
        _hash = next ?? "";
        _areRunsDone = next is not null;
        return (new Collected(0, values, bytes), next is null);
    }

    /// <summary>Goes through the whole journal.</summary>
    /// <param name="cancellationToken">Ends it between two transactions.</param>
    public async Task<Collected> RunAsync(CancellationToken cancellationToken)
    {
        var all = new Collected();
        bool isDone = false;
        while (!isDone)
        {
            (Collected deleted, isDone) = await StepAsync(AtOnce, cancellationToken).ConfigureAwait(false);
            all += deleted;
        }

        return all;
    }

    /// <summary>Says what <see cref="RunAsync"/> would delete now; the values that only those runs reach come on top.</summary>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<Collected> LookAsync(CancellationToken cancellationToken)
    {
        var all = new Collected();
        for (EndedPlace? place = default(EndedPlace); place is { } from;)
        {
            (List<RunRecord> expired, place) = await journal.ExpiredAsync(from, AtOnce, cancellationToken).ConfigureAwait(false);
            all += new Collected(expired.Count, 0, 0);
        }

        for (string? hash = ""; hash is not null;)
        {
            (List<Blob> unreached, hash) = await journal.UnreachedAsync(hash, AtOnce, cancellationToken).ConfigureAwait(false);
            all += new Collected(0, unreached.Count, unreached.Sum(static blob => blob.Length));
        }

        return all;
    }

    private const int AtOnce = 500;

    private async Task<Collected> ExpireAsync(int most, CancellationToken cancellationToken)
    {
        await journal.DeleteDoomedAsync(most, cancellationToken).ConfigureAwait(false);
        (List<RunRecord> expired, EndedPlace? next) = await journal.ExpiredAsync(_place, most, cancellationToken).ConfigureAwait(false);
        long deleted = 0;
        foreach (RunRecord run in expired)
        {
            deleted += await journal.ExpireAsync(run, cancellationToken).ConfigureAwait(false) ? 1 : 0;
        }

        bool hasMore = await journal.DeleteRestAsync(cancellationToken).ConfigureAwait(false);
        hasMore |= await journal.ForgetAsync(most, cancellationToken).ConfigureAwait(false) > 0;
        _place = next ?? default;
        _areRunsDone = next is null && !hasMore && deleted == 0; // children go after their parents, in the next piece
        return new Collected(deleted, 0, 0);
    }
}
