using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>The files of a vector store, one by one and in batches.</summary>
internal sealed class StoreFileEndpoints(VectorCatalog catalog, TextEmbedder embedder, Ingestion ingestion, IngestionQueue queue, GatewayOptions options)
{
    private const int MostFiles = 2000;

    private static readonly string[] _statuses = ["in_progress", "completed", "failed", "cancelled"];

    /// <summary>The field "file_ids"; empty when it is absent.</summary>
    public static List<AddedFile> FileIds(RequestFields fields, int most, ChunkingStrategy chunking, string? attributes)
    {
        if (fields.Array("file_ids") is null)
        {
            return [];
        }

        var files = new List<AddedFile>();
        foreach (string id in fields.Strings("file_ids", most))
        {
            files.Add(new AddedFile(id, chunking, attributes, string.Create(CultureInfo.InvariantCulture, $"file_ids[{files.Count}]")));
        }

        return files;
    }

    public static void WriteText(Utf8JsonWriter json, string text)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "text"u8);
        json.WriteString("text"u8, text);
        json.WriteEndObject();
    }

    public async Task CreateAsync(HttpContext context)
    {
        AddedFile file;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            file = One(new RequestFields(body.RootElement), "file_id");
        }

        string model = await embedder.RequireDefaultAsync(context.RequestAborted);
        (_, StoreFile added) = await catalog.AddAsync(BearerKey.ProjectOf(context), IdOf(context), asBatch: false, [file], model, context.RequestAborted);
        queue.Wake();
        await JsonResponse.WriteAsync(context, added, StoreFile.Write);
    }

    public Task ListAsync(HttpContext context) => ListAsync(context, null);

    public async Task GetAsync(HttpContext context) =>
        await JsonResponse.WriteAsync(context, await catalog.FileAsync(BearerKey.ProjectOf(context), IdOf(context), FileIdOf(context), context.RequestAborted), StoreFile.Write);

    public async Task UpdateAsync(HttpContext context)
    {
        string? attributes;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            attributes = body.RootElement.TryGetProperty("attributes", out _) ? MetadataField.ReadAttributes(fields) : throw fields.Missing("attributes");
        }

        await JsonResponse.WriteAsync(
            context, await catalog.SetAttributesAsync(BearerKey.ProjectOf(context), IdOf(context), FileIdOf(context), attributes, context.RequestAborted), StoreFile.Write);
    }

    public async Task DeleteAsync(HttpContext context)
    {
        string file = FileIdOf(context);
        await catalog.RemoveFileAsync(BearerKey.ProjectOf(context), IdOf(context), file, context.RequestAborted);
        await DeletedJson.WriteAsync(context, file, "vector_store.file.deleted");
    }

    public async Task ContentAsync(HttpContext context)
    {
        StoreFile file = await catalog.FileAsync(BearerKey.ProjectOf(context), IdOf(context), FileIdOf(context), context.RequestAborted);
        string text;
        try
        {
            text = await ingestion.TextAsync(file, context.RequestAborted);
        }
        catch (IngestionException exception)
        {
            throw new OpenAiException(OpenAiError.Invalid(exception.Message, "file_id", exception.Code), exception);
        }

        await JsonResponse.WriteAsync(context, text, static (json, text) =>
        {
            json.WriteStartObject();
            json.WriteString("object"u8, "vector_store.file_content.page"u8);
            json.WriteStartArray("data"u8);
            WriteText(json, text);
            json.WriteEndArray();
            json.WriteBoolean("has_more"u8, false);
            json.WriteNull("next_page"u8);
            json.WriteEndObject();
        });
    }

    public async Task CreateBatchAsync(HttpContext context)
    {
        List<AddedFile> files;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            files = Many(new RequestFields(body.RootElement));
        }

        string model = await embedder.RequireDefaultAsync(context.RequestAborted);
        (FileBatch? batch, _) = await catalog.AddAsync(BearerKey.ProjectOf(context), IdOf(context), asBatch: true, files, model, context.RequestAborted);
        queue.Wake();
        await JsonResponse.WriteAsync(context, batch!, FileBatch.Write);
    }

    public async Task GetBatchAsync(HttpContext context) =>
        await JsonResponse.WriteAsync(context, await catalog.BatchAsync(BearerKey.ProjectOf(context), IdOf(context), BatchIdOf(context), context.RequestAborted), FileBatch.Write);

    public async Task CancelBatchAsync(HttpContext context) =>
        await JsonResponse.WriteAsync(context, await catalog.CancelAsync(BearerKey.ProjectOf(context), IdOf(context), BatchIdOf(context), context.RequestAborted), FileBatch.Write);

    public Task ListBatchAsync(HttpContext context) => ListAsync(context, BatchIdOf(context));

    private static AddedFile One(RequestFields fields, string param) => new(fields.RequiredString("file_id"), ChunkingStrategy.Read(fields), MetadataField.ReadAttributes(fields), param);

    private static List<AddedFile> Many(RequestFields fields)
    {
        bool hasIds = fields.Array("file_ids") is not null;
        if (fields.Array("files") is not { } list)
        {
            List<AddedFile> ids = FileIds(fields, MostFiles, ChunkingStrategy.Read(fields), MetadataField.ReadAttributes(fields));
            return !hasIds ? throw fields.Missing("file_ids") : Check(ids, "file_ids");
        }

        if (hasIds)
        {
            throw RequestFields.Invalid("files", "Invalid 'files': give either 'file_ids' or 'files', not both.", "invalid_value");
        }

        var files = new List<AddedFile>();
        foreach (JsonElement file in list.EnumerateArray())
        {
            string param = string.Create(CultureInfo.InvariantCulture, $"files[{files.Count}]");
            files.Add(file.ValueKind == JsonValueKind.Object ? One(new RequestFields(file, param + "."), param + ".file_id") : throw RequestFields.WrongType(param, "an object", file));
        }

        return Check(files, "files");
    }

    private static List<AddedFile> Check(List<AddedFile> files, string param) => files.Count switch
    {
        0 => throw RequestFields.Invalid(param, $"Invalid '{param}': expected at least one file.", "empty_array"),
        > MostFiles => throw RequestFields.Invalid(
            param,
            string.Create(CultureInfo.InvariantCulture, $"Invalid '{param}': array too long. Expected an array with maximum length {MostFiles}, but got an array with length {files.Count} instead."),
            "array_above_max_length"),
        _ => files,
    };

    private static string IdOf(HttpContext context) => (string)context.Request.RouteValues["id"]!;

    private static string FileIdOf(HttpContext context) => (string)context.Request.RouteValues["file"]!;

    private static string BatchIdOf(HttpContext context) => (string)context.Request.RouteValues["batch"]!;

    private async Task ListAsync(HttpContext context, string? batch)
    {
        var query = PageQuery.Read(context.Request, newestFirst: true);
        string? status = PageQuery.Parameter(context.Request, "filter");
        if (status is not null && !_statuses.Contains(status))
        {
            throw RequestFields.Invalid("filter", $"Invalid value: '{status}'. Supported values are: 'in_progress', 'completed', 'failed' and 'cancelled'.", "invalid_value");
        }

        Page<StoreFile> page = await catalog.FilesAsync(
            BearerKey.ProjectOf(context), IdOf(context), batch, status, query, PageQuery.Parameter(context.Request, "before"), context.RequestAborted);
        await page.WriteAsync(context, static file => file.FileId, StoreFile.Write);
    }
}
