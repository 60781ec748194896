using System.Text.Json;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Files;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Batches;

/// <summary><c>/v1/batches</c>: many requests in a file, answered in another one.</summary>
internal sealed class BatchEndpoints(BatchStore store, BatchRunner runner, BatchDispatcher dispatcher, GatewayOptions options)
{
    private const int UsuallyListed = 20;
    private const int MostListed = 100;

    public async Task CreateAsync(HttpContext context)
    {
        using JsonDocument body = await RequestBody.ReadAsync(context, options);
        var fields = new RequestFields(body.RootElement);
        string inputFileId = fields.RequiredString("input_file_id");
        string endpoint = fields.RequiredString("endpoint");
        if (!dispatcher.Has(endpoint))
        {
            IEnumerable<string> supported = BatchDispatcher.Paths.Where(dispatcher.Has);
            throw RequestFields.Invalid("endpoint", $"Invalid value: '{endpoint}'. Supported values are: '{string.Join("', '", supported)}'.", "invalid_value");
        }

        string window = fields.RequiredString("completion_window");
        if (window != "24h")
        {
            throw RequestFields.Invalid("completion_window", $"Invalid value: '{window}'. Supported values are: '24h'.", "invalid_value");
        }

        Batch batch = await store.CreateAsync(
            BearerKey.ProjectOf(context), endpoint, inputFileId, window, MetadataField.Read(fields), ExpiresAfter.Read(fields, "output_expires_after"), context.RequestAborted);
        runner.Wake();
        await JsonResponse.WriteAsync(context, batch, Batch.Write);
    }

    public async Task ListAsync(HttpContext context)
    {
        Page<Batch> page = await store.ListAsync(BearerKey.ProjectOf(context), PageQuery.Read(context.Request, newestFirst: true, UsuallyListed, MostListed), context.RequestAborted);
        await page.WriteAsync(context, static batch => batch.Id, Batch.Write);
    }

    public async Task GetAsync(HttpContext context)
    {
        string id = IdOf(context);
        Batch batch = await store.FindAsync(BearerKey.ProjectOf(context), id, context.RequestAborted) ?? throw FileErrors.NoSuch("Batch", id, "batch_id");
        await JsonResponse.WriteAsync(context, batch, Batch.Write);
    }

    public async Task CancelAsync(HttpContext context)
    {
        Batch batch = await store.CancelAsync(BearerKey.ProjectOf(context), IdOf(context), context.RequestAborted);
        runner.Cancel(batch.Seq);
        await JsonResponse.WriteAsync(context, batch, Batch.Write);
    }

    private static string IdOf(HttpContext context) => (string)context.Request.RouteValues["id"]!;
}
