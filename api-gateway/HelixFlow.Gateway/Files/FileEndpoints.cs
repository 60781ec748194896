using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace HelixFlow.Gateway.Files;

/// <summary><c>/v1/files</c>: files of the client's project.</summary>
internal sealed class FileEndpoints(FileStore store, FileStoreOptions options)
{
    private const int MostListed = 10_000;

    public async Task CreateAsync(HttpContext context)
    {
        FileForm form = await FileForm.ReadAsync(context, store, "file", options.MaxFileBytes, static (fields, filename) => Check(fields, filename));
        StoredFile file = await store.AddAsync(
            BearerKey.ProjectOf(context), form["purpose"]!, form.Filename, form.File, LifetimeOf(form.Fields), context.RequestAborted);
        await JsonResponse.WriteAsync(context, file, StoredFile.Write);
    }

    public async Task ListAsync(HttpContext context)
    {
        var query = PageQuery.Read(context.Request, newestFirst: true, MostListed, MostListed);
        Page<StoredFile> page = await store.ListAsync(BearerKey.ProjectOf(context), PageQuery.Parameter(context.Request, "purpose"), query, context.RequestAborted);
        await page.WriteAsync(context, static file => file.Id, StoredFile.Write);
    }

    public async Task GetAsync(HttpContext context) => await JsonResponse.WriteAsync(context, await FindAsync(context), StoredFile.Write);

    public async Task ContentAsync(HttpContext context)
    {
        StoredFile file = await FindAsync(context);
        FileStream content;
        try
        {
            content = store.Blobs.Open(file.Hash);
        }
        catch (FileNotFoundException)
        {
            // Deleted since its row was read.
            throw FileErrors.NoSuch("File", file.Id, "id");
        }

        // The result disposes the stream; the hash tells equal content exactly.
        await Results.Stream(
            content, "application/octet-stream", file.Filename, DateTimeOffset.FromUnixTimeSeconds(file.CreatedAt), new EntityTagHeaderValue($"\"{file.Hash}\""), enableRangeProcessing: true)
            .ExecuteAsync(context);
    }

    public async Task DeleteAsync(HttpContext context)
    {
        string id = IdOf(context);
        if (!await store.DeleteAsync(BearerKey.ProjectOf(context), id, context.RequestAborted))
        {
            throw FileErrors.NoSuch("File", id, "id");
        }

        await JsonResponse.WriteAsync(context, id, static (json, id) =>
        {
            json.WriteStartObject();
            json.WriteString("object"u8, "file"u8);
            json.WriteBoolean("deleted"u8, true);
            json.WriteString("id"u8, id);
            json.WriteEndObject();
        });
    }

    private static void Check(IReadOnlyDictionary<string, string> fields, string filename)
    {
        FilePurpose.CheckName(FilePurpose.Check(fields.GetValueOrDefault("purpose")), filename);
        LifetimeOf(fields);
    }

    private static long? LifetimeOf(IReadOnlyDictionary<string, string> fields) =>
        ExpiresAfter.Read(fields.GetValueOrDefault("expires_after[anchor]"), fields.GetValueOrDefault("expires_after[seconds]"));

    private static string IdOf(HttpContext context) => (string)context.Request.RouteValues["id"]!;

    private async Task<StoredFile> FindAsync(HttpContext context)
    {
        string id = IdOf(context);
        return await store.FindAsync(BearerKey.ProjectOf(context), id, context.RequestAborted) ?? throw FileErrors.NoSuch("File", id, "id");
    }
}
