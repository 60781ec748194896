using System.Text;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Http;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Webhooks;

/// <summary>What a webhook says: the event as the API shows it, and which job it is of. Results are fetched.</summary>
internal static class WebhookBody
{
    public static string Of(RunRecord run, NumberedEvent happened) => Encoding.UTF8.GetString(AgentResponse.Bytes(new JsonObject
    {
        ["type"] = KindOf(happened.Event),
        ["timestamp"] = JobJson.Time(happened.At),
        ["data"] = new JsonObject
        {
            ["job"] = run.Id,
            ["job_type"] = run.Type,
            ["labels"] = JobJson.Of(run.Labels),
            ["schedule"] = run.Schedule,
            ["event"] = JobJson.Of(happened),
        },
    }));

    public static string KindOf(JournalEvent happened) => $"job.{Words.Of(happened.Kind)}";
}
