using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

public sealed partial class Journal
{
    // Whatever refers to a value: these are all columns that hold hashes. The indexes leave out what is its own reference, so the questions say that they do.
    private const string Reached = """
        exists (select 1 from runs where input = {0} and substr(input, 1, 1) <> '=') or exists (select 1 from runs where output = {0} and substr(output, 1, 1) <> '=')
        or exists (select 1 from steps where output = {0} and substr(output, 1, 1) <> '=')
        or exists (select 1 from artifacts where artifacts.hash = {0}) or exists (select 1 from kept where kept.hash = {0})
        or exists (select 1 from uploads where uploads.hash = {0}) or exists (select 1 from cache where cache.output = {0} and substr(output, 1, 1) <> '=')
        or exists (select 1 from schedule_files where schedule_files.hash = {0})
        """;

    private static readonly string Unreached =
        $"select hash, length from (select hash, length, touched_at from blobs where hash > $1 order by hash limit $2) page where touched_at < $3 and not ({ReachedFrom("page.hash")})";

    private static readonly string DeleteUnreached =
        $"delete from blobs where hash = $1 and touched_at < $2 and not ({ReachedFrom("blobs.hash")}) returning life";

    /// <summary>Values after a hash that nothing reaches, and the hash up to which was looked; null when that was the end.</summary>
    internal Task<(List<Blob> Unreached, string? Next)> UnreachedAsync(string after, int most, CancellationToken cancellationToken) => database.ReadAsync(
        session =>
        {
            string? last = session.First("select hash from blobs where hash > $1 order by hash limit 1 offset $2", static row => row.GetString(0), after, most - 1L);
            return (session.Query(Unreached, static row => new Blob(row.GetString(0), row.GetInt64(1)), after, (long)most, Now(session) - options.BlobGraceMs), last);
        },
        cancellationToken);

    /// <summary>
    /// Deletes values that nothing reaches. Whether something does is asked again in the transaction that deletes the row; only then the file goes, under
    /// the life that the row had: content that is stored again meanwhile has another one.
    /// </summary>
    /// <returns>How many it deleted, and their bytes.</returns>
    internal async Task<(int Values, long Bytes)> CollectAsync(IReadOnlyList<Blob> unreached, CancellationToken cancellationToken)
    {
        if (unreached.Count == 0)
        {
            return default;
        }

        (int Values, long Bytes) collected = await WriteAsync(
            change =>
            {
                (int values, long bytes) = (0, 0L);
                foreach (Blob blob in unreached)
                {
                    if (change.Session.First(DeleteUnreached, static row => row.GetString(0), blob.Hash, change.Now - options.BlobGraceMs) is not { } life)
                    {
                        continue;
                    }

                    (values, bytes) = (values + 1, bytes + blob.Length);
                    if (life.Length > 0)
                    {
                        change.Session.Post("insert into doomed_blobs (hash, life) values ($1, $2) on conflict (hash, life) do nothing", blob.Hash, life);
                    }
                }

                return (values, bytes);
            },
            cancellationToken).ConfigureAwait(false);
        await DeleteDoomedAsync(unreached.Count, cancellationToken).ConfigureAwait(false);
        return collected;
    }

    /// <summary>Deletes files whose rows are gone: those of this moment, and those that a process did not come to before it ended.</summary>
    internal async Task DeleteDoomedAsync(int most, CancellationToken cancellationToken)
    {
        List<BlobKey> doomed = await database.ReadAsync(
            session => session.Query("select hash, life from doomed_blobs limit $1", static row => new BlobKey(row.GetString(0), row.GetString(1)), (long)most), cancellationToken).ConfigureAwait(false);
        foreach (BlobKey key in doomed)
        {
            await blobs.DeleteAsync(key, cancellationToken).ConfigureAwait(false);
        }

        if (doomed.Count > 0)
        {
            await WriteAsync(change => doomed.Sum(key => change.Session.Execute("delete from doomed_blobs where hash = $1 and life = $2", key.Hash, key.Life)), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Forgets some of the files that were brought long ago and of the results that are too old to be used: they keep values no more. How many.</summary>
    internal Task<int> ForgetAsync(int most, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            // A schedule names files in the input that it will ask with.
            int uploads = change.Session.Execute(
                """
                delete from uploads where (project, hash) in (select project, hash from uploads where created_at < $1
                  and not exists (select 1 from schedules where schedules.project = uploads.project and job like '%' || hash || '%') order by created_at limit $2)
                """,
                change.Now - options.UploadMs, (long)most);

            // Whoever found a result just before it was too old has the time of the grace to refer to it.
            return uploads + change.Session.Execute(
                "delete from cache where (namespace, digest) in (select namespace, digest from cache where expires_at > 0 and expires_at < $1 order by expires_at limit $2)",
                change.Now - options.BlobGraceMs, (long)most);
        },
        cancellationToken);

    private static string ReachedFrom(string hash) => Reached.Replace("{0}", hash, StringComparison.Ordinal);
}
