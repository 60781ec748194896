using System.Buffers;
using System.Net;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace HelixFlow.Storage;

/// <summary>Blobs in a bucket of a server with the S3 API, which several machines share.</summary>
/// <remarks>
/// Each upload carries the SHA-256 of what is sent, so that a server that got something else refuses it, and the condition that nothing has
/// the name yet: what is there is never replaced. A large blob is sent in parts and appears when the last one is there. All members may be called
/// from any thread.
/// </remarks>
public sealed class BlobBucket : IBlobStore, IDisposable
{
    private const int BufferBytes = 128 * 1024;

    private readonly BlobBucketOptions _options;
    private readonly AmazonS3Client _client;
    private volatile bool _hasConditions = true; // until the server says that it knows none

    /// <summary>Opens the spool folder and removes what an earlier process had left there; nothing is sent yet.</summary>
    /// <exception cref="IOException">The folder cannot be created.</exception>
    public BlobBucket(BlobBucketOptions options)
    {
        _options = options;
        Directory.CreateDirectory(options.SpoolFolder);
        foreach (string left in Directory.EnumerateFiles(options.SpoolFolder))
        {
            File.Delete(left);
        }

        var config = new AmazonS3Config
        {
            AuthenticationRegion = options.Region, MaxErrorRetry = options.Retries, Timeout = options.RequestTimeout, ForcePathStyle = options.Endpoint is not null,
        };
        if (options.Endpoint is { } endpoint)
        {
            config.ServiceURL = endpoint.AbsoluteUri;
        }
        else
        {
            config.RegionEndpoint = Amazon.RegionEndpoint.GetBySystemName(options.Region);
        }

        _client = new AmazonS3Client(config);
    }

    /// <inheritdoc />
    public Task<BlobDraft> DraftAsync(Stream content, long maxBytes, CancellationToken cancellationToken) =>
        BlobDraft.ReadAsync(_options.SpoolFolder, content, maxBytes, cancellationToken);

    /// <inheritdoc />
    public async Task KeepAsync(BlobDraft draft, string life, CancellationToken cancellationToken)
    {
        string name = NameOf(new BlobKey(draft.Blob.Hash, life));
        try
        {
            await SendAsync(draft, name, cancellationToken).ConfigureAwait(false);
        }
        catch (AmazonS3Exception exception) when (exception.StatusCode == HttpStatusCode.NotImplemented && _hasConditions)
        {
            _hasConditions = false; // safe all the same: whatever has this name has this content
            await KeepAsync(draft, life, cancellationToken).ConfigureAwait(false);
        }
        catch (AmazonS3Exception exception) when (exception.StatusCode == HttpStatusCode.PreconditionFailed)
        {
            // It is there already.
        }
        catch (Exception exception) when (FailureOf(exception, draft.Blob.Hash, cancellationToken) is { } failure)
        {
            throw failure;
        }
    }

    /// <inheritdoc />
    public async Task CopyAsync(BlobKey key, long offset, long length, Stream destination, CancellationToken cancellationToken)
    {
        GetObjectResponse response;
        try
        {
            if (length == 0)
            {
                await _client.GetObjectMetadataAsync(_options.Bucket, NameOf(key), cancellationToken).ConfigureAwait(false);
                return;
            }

            var request = new GetObjectRequest { BucketName = _options.Bucket, Key = NameOf(key), ByteRange = new ByteRange(offset, offset + length - 1) };
            response = await _client.GetObjectAsync(request, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (FailureOf(exception, key.Hash, cancellationToken) is { } failure)
        {
            throw failure;
        }

        using (response)
        {
            await CopyAsync(response.ResponseStream, length, destination, key.Hash, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc />
    public async Task DeleteAsync(BlobKey key, CancellationToken cancellationToken)
    {
        try
        {
            await _client.DeleteObjectAsync(_options.Bucket, NameOf(key), cancellationToken).ConfigureAwait(false);
        }
        catch (AmazonS3Exception exception) when (exception is { StatusCode: HttpStatusCode.NotFound, ErrorCode: not "NoSuchBucket" })
        {
            // Some servers say so of what is gone.
        }
        catch (Exception exception) when (FailureOf(exception, key.Hash, cancellationToken) is { } failure)
        {
            throw failure;
        }
    }

    /// <inheritdoc />
    public void Dispose() => _client.Dispose();

    private string NameOf(BlobKey key) => _options.Prefix + key.Path;

    private string? Condition => _hasConditions ? "*" : null;

    private async Task SendAsync(BlobDraft draft, string name, CancellationToken cancellationToken)
    {
        if (draft.Blob.Length > _options.PartBytes)
        {
            await SendPartsAsync(draft, name, cancellationToken).ConfigureAwait(false);
            return;
        }

        await _client.PutObjectAsync(
            new PutObjectRequest
            {
                BucketName = _options.Bucket, Key = name, FilePath = draft.Path, UseChunkEncoding = false, IfNoneMatch = Condition,
                ChecksumAlgorithm = ChecksumAlgorithm.SHA256, ChecksumSHA256 = Convert.ToBase64String(Convert.FromHexString(draft.Blob.Hash)),
            },
            cancellationToken).ConfigureAwait(false);
    }

    private async Task SendPartsAsync(BlobDraft draft, string name, CancellationToken cancellationToken)
    {
        InitiateMultipartUploadResponse upload = await _client.InitiateMultipartUploadAsync(
            new InitiateMultipartUploadRequest { BucketName = _options.Bucket, Key = name, ChecksumAlgorithm = ChecksumAlgorithm.SHA256 }, cancellationToken).ConfigureAwait(false);
        try
        {
            var complete = new CompleteMultipartUploadRequest { BucketName = _options.Bucket, Key = name, UploadId = upload.UploadId, IfNoneMatch = Condition };
            int number = 1;
            for (long position = 0; position < draft.Blob.Length; position += _options.PartBytes)
            {
                complete.AddPartETags(await _client.UploadPartAsync(
                    new UploadPartRequest
                    {
                        BucketName = _options.Bucket, Key = name, UploadId = upload.UploadId, PartNumber = number++, FilePath = draft.Path, FilePosition = position,
                        PartSize = Math.Min(_options.PartBytes, draft.Blob.Length - position), UseChunkEncoding = false, ChecksumAlgorithm = ChecksumAlgorithm.SHA256,
                    },
                    cancellationToken).ConfigureAwait(false));
            }

            await _client.CompleteMultipartUploadAsync(complete, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception)
        {
            await AbortAsync(name, upload.UploadId).ConfigureAwait(false);
            throw;
        }
    }

    // Parts that nobody completes cost room; buckets should also have a rule that removes them after days.
    private async Task AbortAsync(string name, string uploadId)
    {
        try
        {
            await _client.AbortMultipartUploadAsync(_options.Bucket, name, uploadId, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is AmazonServiceException or AmazonClientException or HttpRequestException or IOException or OperationCanceledException)
        {
            // Why the upload failed says more than why it could not be cleaned up.
        }
    }

    private async Task CopyAsync(Stream source, long length, Stream destination, string hash, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            for (long left = length; left > 0;)
            {
                int read;
                try
                {
                    read = await source.ReadAsync(buffer.AsMemory(0, (int)Math.Min(left, buffer.Length)), cancellationToken).ConfigureAwait(false);
                }
                catch (Exception exception) when (FailureOf(exception, hash, cancellationToken) is { } failure)
                {
                    throw failure; // what the destination throws is not the bucket's failure
                }

                if (read == 0)
                {
                    throw new StorageException(StorageFailure.Damaged, $"The blob {hash} in the bucket {_options.Bucket} has {left} bytes fewer than were asked for.");
                }

                await destination.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
                left -= read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>What callers get for a failure of the server or the way to it; null for what is none.</summary>
    private IOException? FailureOf(Exception exception, string hash, CancellationToken cancellationToken)
    {
        string place = $"The bucket {_options.Bucket}{(_options.Endpoint is { } endpoint ? $" at {endpoint.GetLeftPart(UriPartial.Authority)}" : "")}";
        return exception switch
        {
            AmazonS3Exception { StatusCode: HttpStatusCode.NotFound, ErrorCode: not "NoSuchBucket" } => new FileNotFoundException($"There is no blob {hash}.", exception),
            AmazonS3Exception { StatusCode: HttpStatusCode.RequestedRangeNotSatisfiable } =>
                new StorageException(StorageFailure.Damaged, $"{place} has fewer bytes of the blob {hash} than were asked for.", exception),
            AmazonS3Exception { StatusCode: HttpStatusCode.InsufficientStorage } => new StorageException(StorageFailure.Full, $"{place} is full: {exception.Message}", exception),
            AmazonS3Exception { StatusCode: HttpStatusCode.BadRequest or HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.NotFound } refused =>
                new StorageException(StorageFailure.Incompatible, $"{place} refuses ({refused.ErrorCode}): {refused.Message}", exception),
            AmazonServiceException => new StorageException(StorageFailure.Unavailable, $"{place} has failed: {exception.Message}", exception),
            AmazonClientException => new StorageException(StorageFailure.Incompatible, $"{place} cannot be used: {exception.Message}", exception),
            HttpRequestException or IOException and not StorageException => new StorageException(StorageFailure.Unavailable, $"{place} cannot be reached: {exception.Message}", exception),
            OperationCanceledException when !cancellationToken.IsCancellationRequested =>
                new StorageException(StorageFailure.Unavailable, $"{place} has not answered within {_options.RequestTimeout.TotalSeconds} s.", exception),
            _ => null,
        };
    }
}
