using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Storage;

namespace HelixFlow.Gateway.Files;

/// <summary>The uploads of all projects. Thread-safe.</summary>
internal sealed class UploadStore(IDatabase database, FileStore files, TimeProvider time)
{
    private const int ChunkBytes = 128 << 10;

    public long Now => time.GetUtcNow().ToUnixTimeSeconds();

    public Task<Upload> CreateAsync(
        string project, string purpose, string filename, string mimeType, long bytes, TimeSpan lifetime, long? fileLifetime, CancellationToken cancellationToken)
    {
        long now = Now;
        return database.WriteAsync(
            session => session.First(
                $"""
                insert into uploads (id, project, purpose, filename, mime_type, bytes, created_at, expires_at, file_lifetime, status)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending') returning {Upload.Columns}
                """,
                Upload.Read,
                ObjectId.New("upload_"), project, purpose, filename, mimeType, bytes, now, now + (long)lifetime.TotalSeconds, fileLifetime)!,
            cancellationToken);
    }

    /// <summary>The upload, which must be pending.</summary>
    public Task<Upload> PendingAsync(string project, string id, CancellationToken cancellationToken) =>
        database.ReadAsync(session => CheckPending(Find(session, project, id)), cancellationToken);

    public Task<UploadPart> AddPartAsync(string project, string id, Blob blob, CancellationToken cancellationToken)
    {
        long now = Now;
        return files.ReferAsync(
            [blob],
            session =>
            {
                Upload upload = CheckPending(Find(session, project, id));

                // Parts may be sent twice when an answer was lost; more than that is a client that fills the disk.
                if (session.Number("select sum(bytes) from upload_parts where upload = $1", upload.Seq) + blob.Length > 2 * upload.Bytes)
                {
                    throw new OpenAiException(OpenAiError.Invalid($"The parts are far longer than the {upload.Bytes} bytes that the upload was created for.", "data"));
                }

                return session.First(
                    $"insert into upload_parts (id, upload, bytes, created_at, hash) values ($1, $2, $3, $4, $5) returning {UploadPart.Columns}",
                    UploadPart.Read,
                    ObjectId.New("part_"), upload.Seq, blob.Length, now, blob.Hash)!;
            },
            cancellationToken);
    }

    /// <summary>Makes the file of the parts. Doing so again answers the same.</summary>
    /// <exception cref="OpenAiException">The parts are not those of the upload, not as long as stated, or of another checksum.</exception>
    public async Task<(Upload Upload, StoredFile? File)> CompleteAsync(string project, string id, IReadOnlyList<string> partIds, string? md5, CancellationToken cancellationToken)
    {
        (Upload upload, List<UploadPart> parts) = await database.ReadAsync(
            session =>
            {
                Upload found = Find(session, project, id);
                return (found, session.Query($"select {UploadPart.Columns} from upload_parts where upload = $1", UploadPart.Read, found.Seq));
            },
            cancellationToken);
        if (upload.Status == "completed")
        {
            return (upload, await files.FindAsync(project, upload.FileId!, cancellationToken));
        }

        CheckPending(upload);
        List<UploadPart> ordered = Order(upload, parts, partIds);
        using var checksum = IncrementalHash.CreateHash(HashAlgorithmName.MD5); // what the API asks for; the content's address is SHA-256
        await using var content = new ChunkStream(JoinAsync(ordered, checksum, cancellationToken), cancellationToken);
        Blob blob = await files.Blobs.PutAsync(content, upload.Bytes, cancellationToken);
        string actual = Convert.ToHexStringLower(checksum.GetHashAndReset());
        if (md5 is not null && !actual.Equals(md5, StringComparison.OrdinalIgnoreCase))
        {
            await files.ReleaseAsync([blob], CancellationToken.None);
            throw new OpenAiException(OpenAiError.Invalid($"The file's MD5 checksum is {actual}, not {md5}.", "md5", "checksum_mismatch"));
        }

        long now = Now;
        (Upload, StoredFile?) result = await files.ReferAsync(
            [blob],
            session =>
            {
                CheckPending(Find(session, project, id));
                StoredFile file = files.Insert(session, project, upload.Purpose, upload.Filename, blob, upload.FileLifetime, now);
                Upload done = session.First($"update uploads set status = 'completed', file_id = $2 where seq = $1 returning {Upload.Columns}", Upload.Read, upload.Seq, file.Id)!;
                ReleaseParts(session, upload);
                return (done, (StoredFile?)file);
            },
            cancellationToken);
        await files.PurgeAsync(cancellationToken);
        return result;
    }

    public async Task<Upload> CancelAsync(string project, string id, CancellationToken cancellationToken)
    {
        Upload cancelled = await database.WriteAsync(
            session =>
            {
                Upload upload = CheckPending(Find(session, project, id));
                ReleaseParts(session, upload);
                return session.First($"update uploads set status = 'cancelled' where seq = $1 returning {Upload.Columns}", Upload.Read, upload.Seq)!;
            },
            cancellationToken);
        await files.PurgeAsync(cancellationToken);
        return cancelled;
    }

    private static void ReleaseParts(SqlSession session, Upload upload)
    {
        foreach (string hash in session.Query("delete from upload_parts where upload = $1 returning hash", static row => row.GetString(0), upload.Seq))
        {
            FileStore.Release(session, hash);
        }
    }

    private static Upload Find(SqlSession session, string project, string id) =>
        session.First($"select {Upload.Columns} from uploads where id = $1 and project = $2", Upload.Read, id, project) ?? throw FileErrors.NoSuch("Upload", id, "upload_id");

    private static List<UploadPart> Order(Upload upload, List<UploadPart> parts, IReadOnlyList<string> partIds)
    {
        var byId = parts.ToDictionary(static part => part.Id, StringComparer.Ordinal);
        var ordered = new List<UploadPart>();
        foreach (string partId in partIds)
        {
            ordered.Add(byId.Remove(partId, out UploadPart? part)
                ? part
                : throw new OpenAiException(OpenAiError.Invalid($"The upload has no part '{partId}', or it is named twice.", "part_ids", "invalid_value")));
        }

        long sum = ordered.Sum(static part => part.Bytes);
        return sum == upload.Bytes
            ? ordered
            : throw new OpenAiException(OpenAiError.Invalid($"The parts have {sum} bytes together, but the upload was created for {upload.Bytes}.", "part_ids"));
    }

    private Upload CheckPending(Upload upload) => upload.StatusAt(Now) is "pending"
        ? upload
        : throw FileErrors.WrongState($"The upload {upload.Id} is {upload.StatusAt(Now)}.");

    private async IAsyncEnumerable<ReadOnlyMemory<byte>> JoinAsync(List<UploadPart> parts, IncrementalHash checksum, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[ChunkBytes];
        foreach (UploadPart part in parts)
        {
            await using FileStream content = files.Blobs.Open(part.Hash);
            int read;
            while ((read = await content.ReadAsync(buffer, cancellationToken)) > 0)
            {
                checksum.AppendData(buffer, 0, read);
                yield return buffer.AsMemory(0, read);
            }
        }
    }
}
