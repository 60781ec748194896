using System.Text.Json;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Files;

/// <summary><c>/v1/uploads</c>: files in parts, for those too large for one request.</summary>
internal sealed class UploadEndpoints(UploadStore uploads, FileStore files, FileStoreOptions limits, GatewayOptions options)
{
    private const int MostParts = 10_000;
    private const int LongestName = 1024;

    public async Task CreateAsync(HttpContext context)
    {
        using JsonDocument body = await RequestBody.ReadAsync(context, options);
        var fields = new RequestFields(body.RootElement);
        string purpose = FilePurpose.Check(fields.RequiredString("purpose"));
        string filename = fields.RequiredString("filename");
        if (filename.Length is 0 or > LongestName || filename.Any(char.IsControl))
        {
            throw RequestFields.Invalid("filename", "Invalid 'filename': it is empty, too long, or holds control characters.", "invalid_value");
        }

        FilePurpose.CheckName(purpose, filename);
        long bytes = fields.Integer("bytes", 1, limits.MaxUploadBytes) ?? throw fields.Missing("bytes");
        Upload upload = await uploads.CreateAsync(
            BearerKey.ProjectOf(context), purpose, filename, fields.RequiredString("mime_type"), bytes, limits.UploadLifetime, ExpiresAfter.Read(fields, "expires_after"), context.RequestAborted);
        await WriteAsync(context, upload, null);
    }

    public async Task AddPartAsync(HttpContext context)
    {
        string project = BearerKey.ProjectOf(context);
        string id = IdOf(context);
        await uploads.PendingAsync(project, id, context.RequestAborted); // before a large part is read for nothing
        FileForm form = await FileForm.ReadAsync(context, files, "data", limits.MaxPartBytes);
        UploadPart part = await uploads.AddPartAsync(project, id, form.File, context.RequestAborted);
        await JsonResponse.WriteAsync(context, (part, id), static (json, state) =>
        {
            json.WriteStartObject();
            json.WriteString("id"u8, state.part.Id);
            json.WriteString("object"u8, "upload.part"u8);
            json.WriteNumber("created_at"u8, state.part.CreatedAt);
            json.WriteString("upload_id"u8, state.id);
            json.WriteEndObject();
        });
    }

    public async Task CompleteAsync(HttpContext context)
    {
        using JsonDocument body = await RequestBody.ReadAsync(context, options);
        var fields = new RequestFields(body.RootElement);
        if (fields.Array("part_ids") is null)
        {
            throw fields.Missing("part_ids");
        }

        (Upload upload, StoredFile? file) = await uploads.CompleteAsync(
            BearerKey.ProjectOf(context), IdOf(context), fields.Strings("part_ids", MostParts), fields.String("md5"), context.RequestAborted);
        await WriteAsync(context, upload, file);
    }

    public async Task CancelAsync(HttpContext context) =>
        await WriteAsync(context, await uploads.CancelAsync(BearerKey.ProjectOf(context), IdOf(context), context.RequestAborted), null);

    private static string IdOf(HttpContext context) => (string)context.Request.RouteValues["id"]!;

    private Task WriteAsync(HttpContext context, Upload upload, StoredFile? file) =>
        JsonResponse.WriteAsync(context, (upload, file, uploads.Now), static (json, state) => state.upload.Write(json, state.file, state.Now));
}
