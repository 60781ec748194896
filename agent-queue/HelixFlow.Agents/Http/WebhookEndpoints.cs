using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Webhooks;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary>What was told to receivers and what was not, and the secrets that it is signed with. A secret is shown once, when the server has made it.</summary>
internal sealed class WebhookEndpoints(Journal.Journal journal, JobEndpoints jobs)
{
    public async Task ListAsync(HttpContext context)
    {
        string job = context.Request.Query["job"].ToString(), word = context.Request.Query["state"].ToString();
        DeliveryState? state = word.Length == 0 ? null : Words.TryRead(word, out DeliveryState named) ? named
            : throw AgentProblem.WrongParameter("state", $"'state' must be one of {string.Join(", ", Words.Of<DeliveryState>())}.").AsException();
        (List<WebhookDelivery> deliveries, long? next) = await journal.DeliveriesAsync(
            AgentBoundary.ProjectOf(context), new DeliveryFilter(job.Length == 0 ? null : job, state, Pages.Cursor(context), jobs.Limit(context)), context.RequestAborted);
        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, Pages.List(deliveries.Select(Of), next));
    }

    /// <summary>A delivery with its body and all its attempts.</summary>
    public async Task GetAsync(HttpContext context, string id)
    {
        (WebhookDelivery delivery, List<DeliveryAttempt> attempts) =
            await journal.DeliveryAsync(AgentBoundary.ProjectOf(context), id, context.RequestAborted) ?? throw Unknown(id);
        JsonObject json = Of(delivery);
        json["body"] = JsonNode.Parse(delivery.Body);
        json["history"] = new JsonArray([.. attempts.Select(static attempt => new JsonObject
        {
            ["attempt"] = attempt.Number,
            ["at"] = JobJson.Time(attempt.At),
            ["duration_ms"] = attempt.DurationMs,
            ["status"] = attempt.Status,
            ["error"] = attempt.Error,
        })]);
        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, json);
    }

    public async Task RedeliverAsync(HttpContext context, string id)
    {
        string project = AgentBoundary.ProjectOf(context);
        bool isDone = await journal.RedeliverAsync(project, id, context.RequestAborted);
        (WebhookDelivery delivery, _) = await journal.DeliveryAsync(project, id, context.RequestAborted) ?? throw Unknown(id);
        if (!isDone)
        {
            throw new AgentProblem(StatusCodes.Status409Conflict, "delivery_pending", "The delivery is on its way.").AsException();
        }

        await AgentResponse.WriteAsync(context, StatusCodes.Status202Accepted, Of(delivery));
    }

    public async Task ListSecretsAsync(HttpContext context)
    {
        List<(string Name, long SetAt)> secrets = await journal.SecretsAsync(AgentBoundary.ProjectOf(context), context.RequestAborted);
        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, Pages.List(secrets.Select(static secret => Of(secret.Name, secret.SetAt, null))));
    }

    /// <summary>Sets a secret to the given one, or to a new one, which the answer has.</summary>
    public async Task PutSecretAsync(HttpContext context, string name)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        string? given = fields.Text("secret", 128);
        fields.Finish();
        if (name.Length > WebhookSubmission.LongestName)
        {
            throw AgentProblem.WrongParameter("name", $"A secret's name may have {WebhookSubmission.LongestName} characters at most.").AsException();
        }

        if (given is not null && !WebhookSecret.IsValid(given))
        {
            throw fields.Wrong("secret", "must be 'whsec_' and 24 to 64 bytes in base64");
        }

        string secret = given ?? WebhookSecret.New();
        await journal.SetSecretAsync(AgentBoundary.ProjectOf(context), name, secret, context.RequestAborted);
        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, Of(name, await journal.NowAsync(context.RequestAborted), given is null ? secret : null));
    }

    public async Task DeleteSecretAsync(HttpContext context, string name) => context.Response.StatusCode =
        await journal.DeleteSecretAsync(AgentBoundary.ProjectOf(context), name, context.RequestAborted)
            ? StatusCodes.Status204NoContent
            : throw new AgentProblem(StatusCodes.Status404NotFound, "unknown_secret", $"There is no secret '{AgentProblem.Shortened(name)}' in this project.").AsException();

    /// <summary>A job's receiver as the API shows it.</summary>
    public static JsonObject? Of(WebhookTarget? target) => target is null ? null : new JsonObject
    {
        ["url"] = target.Url,
        ["events"] = new JsonArray([.. Enum.GetValues<WebhookEvents>().Where(one => int.PopCount((int)one) == 1 && (target.Events & one) != 0).Select(static one => (JsonNode)Words.Of(one))]),
        ["secret_name"] = target.SecretName,
    };

    private static JsonObject Of(string name, long setAt, string? secret)
    {
        var json = new JsonObject { ["name"] = name, ["set_at"] = JobJson.Time(setAt) };
        if (secret is not null)
        {
            json["secret"] = secret;
        }

        return json;
    }

    private static JsonObject Of(WebhookDelivery delivery) => new()
    {
        ["id"] = delivery.Id,
        ["object"] = "webhook_delivery",
        ["job"] = delivery.Job,
        ["type"] = delivery.Kind,
        ["url"] = delivery.Url,
        ["state"] = Words.Of(delivery.State),
        ["attempts"] = delivery.Attempts,
        ["next_attempt_at"] = delivery.State == DeliveryState.Pending ? JobJson.Time(delivery.NotBefore) : null,
        ["created_at"] = JobJson.Time(delivery.CreatedAt),
    };

    private static AgentProblemException Unknown(string id) =>
        new AgentProblem(StatusCodes.Status404NotFound, "unknown_delivery", $"There is no delivery '{AgentProblem.Shortened(id)}' in this project.").AsException();
}
