using HelixFlow.Agents.Journal;
using HelixFlow.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Headers;
using Microsoft.Net.Http.Headers;

namespace HelixFlow.Agents.Http;

/// <summary>Files that jobs have made, and files that clients bring for their inputs.</summary>
internal sealed class ArtifactEndpoints(Journal.Journal journal, JobEndpoints jobs, AgentOptions options)
{
    private const int LongestContentType = 200;

    public async Task ListAsync(HttpContext context, string id)
    {
        RunRecord run = await jobs.FindAsync(context, id);
        List<Artifact> artifacts = await journal.ArtifactsAsync(run.Project, id, context.RequestAborted);
        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, Pages.List(artifacts.Select(JobJson.Of)));
    }

    public async Task GetAsync(HttpContext context, string id, string name)
    {
        RunRecord run = await jobs.FindAsync(context, id);
        Artifact artifact = (await journal.ArtifactsAsync(run.Project, id, context.RequestAborted)).Find(artifact => artifact.Name == name)
            ?? throw new AgentProblem(StatusCodes.Status404NotFound, "unknown_artifact", $"The job {id} has no artifact '{AgentProblem.Shortened(name)}'.") { Job = id }.AsException();
        await SendAsync(context, artifact);
    }

    /// <summary>A value that the job's steps or events name by its hash: an output, a partial result.</summary>
    public async Task GetValueAsync(HttpContext context, string id, string hash)
    {
        RunRecord run = await jobs.FindAsync(context, id);
        FoundValue value = await journal.FindValueAsync(run.Project, id, hash, context.RequestAborted)
            ?? throw new AgentProblem(StatusCodes.Status404NotFound, "unknown_value", $"The job {id} has no value '{AgentProblem.Shortened(hash)}'.") { Job = id }.AsException();
        await SendAsync(context, new Artifact($"{hash}{(value.IsJson ? ".json" : "")}", hash, value.Length, value.IsJson ? "application/json" : "application/octet-stream", 0));
    }

    /// <summary>Takes the body as a file: 201, also when the project has brought it before.</summary>
    public async Task UploadAsync(HttpContext context)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = null; // files have a limit of their own
        }

        if (context.Request.ContentLength > options.MaxArtifactBytes)
        {
            throw TooLarge();
        }

        string contentType = context.Request.ContentType ?? "application/octet-stream";
        if (contentType.Length > LongestContentType || !MediaTypeHeaderValue.TryParse(contentType, out _))
        {
            throw AgentProblem.WrongParameter("Content-Type", "'Content-Type' must be a media type, for example 'text/csv'.").AsException();
        }

        try
        {
            Artifact artifact = await journal.UploadAsync(AgentBoundary.ProjectOf(context), context.Request.Body, contentType, options.MaxArtifactBytes, context.RequestAborted);
            context.Response.Headers.Location = $"{AgentEndpoints.Root}/artifacts/{artifact.Hash}";
            await AgentResponse.WriteAsync(context, StatusCodes.Status201Created, JobJson.Of(artifact));
        }
        catch (StorageException exception) when (exception.Failure == StorageFailure.TooLarge)
        {
            throw TooLarge();
        }
        catch (StorageException exception) when (exception.Failure == StorageFailure.Full)
        {
            throw new AgentProblem(StatusCodes.Status507InsufficientStorage, "insufficient_storage", "There is no room for the file; nothing was stored.").AsException();
        }
    }

    public async Task GetUploadAsync(HttpContext context, string hash) => await SendAsync(
        context,
        await journal.FindUploadAsync(AgentBoundary.ProjectOf(context), hash, context.RequestAborted)
            ?? throw new AgentProblem(StatusCodes.Status404NotFound, "unknown_artifact", $"This project has brought no file '{AgentProblem.Shortened(hash)}'.").AsException());

    private AgentProblemException TooLarge() =>
        new AgentProblem(StatusCodes.Status413PayloadTooLarge, "body_too_large", $"A file may have {options.MaxArtifactBytes} bytes at most.").AsException();

    /// <summary>Sends a file, or the part of it that was asked for (RFC 9110, section 14).</summary>
    private async Task SendAsync(HttpContext context, Artifact artifact)
    {
        IHeaderDictionary headers = context.Response.Headers;
        var tag = new EntityTagHeaderValue($"\"{artifact.Hash}\"");
        headers.ETag = tag.ToString();
        headers.AcceptRanges = "bytes";
        headers.CacheControl = "private, no-cache";
        headers.XContentTypeOptions = "nosniff";
        headers.ContentSecurityPolicy = "sandbox; default-src 'none'"; // what a job has made runs nothing in a browser
        if (context.Request.GetTypedHeaders().IfNoneMatch.Any(given => given.Equals(EntityTagHeaderValue.Any) || given.Compare(tag, useStrongComparison: false)))
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        (long from, long length) = (0, artifact.Length);
        if (RangeOf(context.Request, tag) is { } range)
        {
            from = range.From ?? Math.Max(0, artifact.Length - range.To!.Value);
            long to = range.From is null ? artifact.Length - 1 : Math.Min(range.To ?? long.MaxValue, artifact.Length - 1);
            if (from > to)
            {
                headers.ContentRange = $"bytes */{artifact.Length}";
                throw new AgentProblem(StatusCodes.Status416RangeNotSatisfiable, "invalid_range", $"The file has {artifact.Length} bytes.").AsException();
            }

            length = to - from + 1;
            context.Response.StatusCode = StatusCodes.Status206PartialContent;
            headers.ContentRange = $"bytes {from}-{to}/{artifact.Length}";
        }

        var disposition = new ContentDispositionHeaderValue("attachment");
        disposition.SetHttpFileName(artifact.Name);
        headers.ContentDisposition = disposition.ToString();
        context.Response.ContentType = artifact.ContentType;
        context.Response.ContentLength = length;
        await journal.CopyAsync(artifact.Hash, from, length, context.Response.Body, context.RequestAborted);
    }

    /// <summary>The one range that was asked for; null for the whole, also when several were, or when the file is not the one that the client has a part of.</summary>
    private static RangeItemHeaderValue? RangeOf(HttpRequest request, EntityTagHeaderValue tag)
    {
        RequestHeaders typed = request.GetTypedHeaders();
        bool isSame = typed.IfRange is null || (typed.IfRange.EntityTag is { } given && given.Compare(tag, useStrongComparison: true));
        return isSame && typed.Range is { Ranges: { Count: 1 } ranges } range && range.Unit == "bytes" ? ranges.First() : null;
    }
}
