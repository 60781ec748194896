using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary><c>POST /collections</c>: deletes at once what nobody needs any more, of all projects, or says how much that is.</summary>
internal sealed class CollectionEndpoint(Journal.Journal journal)
{
    public async Task HandleAsync(HttpContext context)
    {
        AgentBoundary.RequireAdmin(context);
        RequestFields fields = await RequestFields.ReadAsync(context);
        bool isDry = fields.Flag("dry_run") ?? false;
        fields.Finish();
        var collector = new Collector(journal);
        Collected collected = isDry ? await collector.LookAsync(context.RequestAborted) : await collector.RunAsync(context.RequestAborted);
        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, new JsonObject
        {
            ["object"] = "collection",
            ["dry_run"] = isDry,
            ["runs"] = collected.Runs,
            ["values"] = collected.Values,
            ["bytes"] = collected.Bytes,
        });
    }
}
