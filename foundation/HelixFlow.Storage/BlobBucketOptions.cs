namespace HelixFlow.Storage;

/// <summary>Which bucket, and how it is reached. Keys come from the AWS SDK's usual chain: environment, profile, web identity, instance role.</summary>
public sealed class BlobBucketOptions
{
    private const long Smallest = 5L << 20; // the S3 API's least size of a part that is not the last

    /// <summary>The bucket; it must exist.</summary>
    public required string Bucket { get; init; }

    /// <summary>Before each name, for example <c>helixflow/</c>; empty for none.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>A server with the S3 API, for example <c>http://minio:9000</c>, whose buckets are part of the path; null for AWS itself.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>The region, also for signatures. Default <c>us-east-1</c>, which servers without regions take.</summary>
    public string Region { get; init; } = "us-east-1";

    /// <summary>A local folder of this process alone, where content is gathered until its hash is known.</summary>
    public required string SpoolFolder { get; init; }

    /// <summary>Larger blobs are sent in parts of this size. Bytes, 5 MiB or more; default 16 MiB, so that a broken connection costs seconds.</summary>
    public long PartBytes
    {
        get;
        init => field = value >= Smallest ? value : throw new ArgumentOutOfRangeException(nameof(value), value, $"Parts have {Smallest} bytes or more.");
    } = 16L << 20;

    /// <summary>How often the SDK tries a request again. Default 3.</summary>
    public int Retries { get; init; } = 3;

    /// <summary>The longest that one request may take. Default 2 minutes.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromMinutes(2);
}
