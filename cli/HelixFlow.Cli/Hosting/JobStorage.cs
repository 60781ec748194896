using System.Globalization;
using HelixFlow.Agents.Journal;
using HelixFlow.Storage;

namespace HelixFlow.Cli.Hosting;

/// <summary>Where the large values of jobs are kept and for how long jobs are, as the command line says it.</summary>
internal sealed record JobStorage
{
    /// <summary>The bucket; null for the shared folder or the data folder.</summary>
    public Uri? Bucket { get; init; }

    /// <summary>How long jobs are kept.</summary>
    public IReadOnlyList<RetentionRule> Retention { get; init; } = [];

    /// <summary>A rule as <c>TYPE=DAYS</c>, <c>PROJECT/TYPE=DAYS:DAYS_OF_FAILED:LAST</c>; <c>*</c> is all types.</summary>
    /// <exception cref="FormatException">It is no rule.</exception>
    public static RetentionRule RuleOf(string text)
    {
        string[] sides = text.Split('=', 2), numbers = sides[^1].Split(':'), names = sides[0].Split('/', 2);
        if (sides.Length != 2 || numbers.Length > 3 || names.Any(static name => name.Length == 0)
            || !Days(numbers[0], out TimeSpan? succeeded) || !Days(numbers.ElementAtOrDefault(1) ?? numbers[0], out TimeSpan? failed)
            || !int.TryParse(numbers.ElementAtOrDefault(2) ?? "0", NumberStyles.None, CultureInfo.InvariantCulture, out int last))
        {
            throw new FormatException(
                $"--job-retention: '{text}' will not do; it must be like '*=30', 'summarise=7:30' (days of those that succeeded, of others) or 'project/summarise=7:30:100' (and so many of the last in any case); '-' is for ever.");
        }

        return new RetentionRule
        {
            Project = names.Length == 2 && names[0] != "*" ? names[0] : null, Type = names[^1] == "*" ? null : names[^1], Succeeded = succeeded, Failed = failed, KeepLast = last,
        };
    }

    /// <summary>The store.</summary>
    /// <param name="dataFolder">The data folder, which has room for uploads too.</param>
    /// <param name="sharedFolder">The folder that is shared with other processes; null for none.</param>
    /// <exception cref="FormatException">The bucket's address is none.</exception>
    public IBlobStore Open(string dataFolder, string? sharedFolder = null)
    {
        if (Bucket is null)
        {
            return Databases.Blobs(dataFolder, sharedFolder, "agent-blobs");
        }

        var query = Bucket.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries).Select(static part => part.Split('=', 2))
            .ToDictionary(static part => part[0], static part => Uri.UnescapeDataString(part.ElementAtOrDefault(1) ?? ""), StringComparer.Ordinal);
        string prefix = Bucket.AbsolutePath.Trim('/');
        return Bucket.Scheme != "s3" || query.Keys.Any(static key => key is not ("endpoint" or "region"))
            ? throw new FormatException($"--job-bucket: '{Bucket}' will not do; it must be like 's3://bucket/prefix?region=eu-central-1' or 's3://bucket?endpoint=http://minio:9000'.")
            : new BlobBucket(new BlobBucketOptions
            {
                Bucket = Bucket.Host, Prefix = prefix.Length == 0 ? "" : prefix + "/", Endpoint = query.TryGetValue("endpoint", out string? endpoint) ? new Uri(endpoint) : null,
                Region = query.GetValueOrDefault("region", "us-east-1"), SpoolFolder = Path.Combine(dataFolder, "agent-spool"),
            });
    }

    private static bool Days(string text, out TimeSpan? days)
    {
        bool isNumber = double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) && number <= 36_500;
        days = isNumber ? TimeSpan.FromDays(number) : null;
        return isNumber || text == "-";
    }
}
