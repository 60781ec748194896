using System.Text.Json;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Values;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary>What a client asks for, read from its request.</summary>
internal static class JobSubmission
{
    public const string KeyHeader = "Idempotency-Key";

    private const int LongestKey = 255;
    private const int LongestName = 200;
    private const int MostDependencies = 100;
    private const long Day = 86_400_000;

    /// <summary>A new job. A delay counts from now.</summary>
    public static RunRequest Read(HttpContext context, RequestFields fields, JobCatalog catalog, AgentOptions limits, TimeProvider time, out bool isDelayed)
    {
        string type = fields.Text("type", LongestName) ?? throw Missing("type");
        JsonElement input = fields.Value("input") ?? throw Missing("input");
        string project = AgentBoundary.ProjectOf(context);
        RunRequest request = ReadOptions(
            context, fields, new RunRequest { Project = project, Type = type, Input = Checked(catalog, project, type, input, "/input"), Options = catalog.OptionsOf(type, project) }, limits);
        long? delay = fields.Number("delay_seconds", 0, 10 * 366 * 86_400L);
        DateTimeOffset? notBefore = fields.Time("not_before");
        if (delay is not null && notBefore is not null)
        {
            throw fields.Wrong("delay_seconds", "and 'not_before' exclude each other");
        }

        isDelayed = delay > 0;
        long start = isDelayed ? time.GetUtcNow().ToUnixTimeMilliseconds() + (delay!.Value * 1000) : notBefore?.ToUnixTimeMilliseconds() ?? 0;
        request = request with { NotBefore = start, DependsOn = fields.Texts("depends_on", MostDependencies, LongestName) };
        fields.Finish();
        return request;
    }

    /// <summary>What a new job and a forked one may both say.</summary>
    public static RunRequest ReadOptions(HttpContext context, RequestFields fields, RunRequest request, AgentOptions limits) => request with
    {
        Key = KeyOf(context),
        Priority = fields.Word<RunPriority>("priority") ?? request.Priority,
        Webhook = WebhookSubmission.Read(fields, limits.AllowPrivateWebhooks),
        Labels = fields.TextsByName("labels", 16, 64, 512) ?? request.Labels,
        Options = fields.Object("options") is { } options ? ReadTries(options, request.Options) : request.Options,
    };

    /// <summary>An input in the form in which it is kept, if its type accepts it.</summary>
    public static byte[] Checked(JobCatalog catalog, string project, string type, JsonElement input, string pointer)
    {
        if (!catalog.Knows(type, project))
        {
            string known = string.Join(", ", catalog.TypesOf(project).Select(static type => type.Name));
            throw new AgentProblem(
                StatusCodes.Status422UnprocessableEntity, "unknown_type",
                $"There is no job type '{AgentProblem.Shortened(type)}'. {(known.Length == 0 ? "This server has none." : $"Known are: {known}.")}") { Pointer = "/type" }.AsException();
        }

        IReadOnlyList<(string Pointer, string Detail)> errors = catalog.Check(type, input, project);
        if (errors.Count > 0)
        {
            throw new AgentProblem(
                StatusCodes.Status422UnprocessableEntity, "invalid_input",
                $"The input is not what the type '{type}' takes: {pointer}{errors[0].Pointer} {errors[0].Detail}.")
            {
                Pointer = pointer + errors[0].Pointer,
                Errors = [.. errors.Take(20).Select(error => (pointer + error.Pointer, error.Detail))],
            }.AsException();
        }

        return CanonicalJson.Of(input);
    }

    private static RunOptions ReadTries(RequestFields fields, RunOptions tries)
    {
        var options = new RunOptions
        {
            MaxAttempts = (int)(fields.Number("max_attempts", 1, 100) ?? tries.MaxAttempts),
            BackoffMs = fields.Number("backoff_ms", 0, Day) ?? tries.BackoffMs,
            MaxBackoffMs = fields.Number("max_backoff_ms", 0, 7 * Day) ?? tries.MaxBackoffMs,
            LeaseMs = fields.Number("lease_ms", 1000, Day) ?? tries.LeaseMs,
            AttemptTimeoutMs = fields.Number("attempt_timeout_ms", 0, 30 * Day) ?? tries.AttemptTimeoutMs,
            StartTimeoutMs = fields.Number("start_timeout_ms", 0, 365 * Day) ?? tries.StartTimeoutMs,
            TotalTimeoutMs = fields.Number("total_timeout_ms", 0, 365 * Day) ?? tries.TotalTimeoutMs,
            RunAfterFailure = fields.Flag("run_after_failure") ?? tries.RunAfterFailure,
        };
        fields.Finish();
        return options;
    }

    /// <summary>The caller's name for its request; null when it gives none.</summary>
    public static string? KeyOf(HttpContext context)
    {
        string key = context.Request.Headers[KeyHeader].ToString();
        return key.Length <= LongestKey
            ? key.Length == 0 ? null : key
            : throw AgentProblem.WrongParameter(KeyHeader, $"The header {KeyHeader} may have {LongestKey} characters at most.").AsException();
    }

    private static AgentProblemException Missing(string name) => AgentProblem.WrongField($"/{name}", $"'{name}' is missing.").AsException();
}
