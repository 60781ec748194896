using System.Text.RegularExpressions;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Schedules;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary>What a client wants to be done when, read from its request.</summary>
internal static partial class ScheduleSubmission
{
    private const int LongestName = 64;
    private const int LongestExpression = 200;
    private const int LongestInput = 1 << 20;
    private const long LongestIntervalSeconds = 10 * 366 * 86_400L;

    /// <param name="context">The request.</param>
    /// <param name="fields">Its body.</param>
    /// <param name="name">The name when the body has none; null when it must have one.</param>
    /// <param name="catalog">The job types.</param>
    /// <param name="limits">What is allowed.</param>
    /// <param name="now">Intervals without a beginning are counted from here; milliseconds since 1970.</param>
    public static ScheduleDefinition Read(HttpContext context, RequestFields fields, string? name, JobCatalog catalog, AgentOptions limits, long now)
    {
        RequestFields? misfire = fields.Object("misfire");
        var wanted = new ScheduleDefinition
        {
            Project = AgentBoundary.ProjectOf(context),
            Name = Named(fields, fields.Text("name", LongestName) ?? name ?? throw fields.Wrong("name", "is missing")),
            Timing = ReadTiming(fields, now),
            Job = ReadJob(context, fields.Object("job") ?? throw fields.Wrong("job", "is missing"), catalog, limits),
            Misfire = misfire?.Word<MisfirePolicy>("policy") ?? MisfirePolicy.Once,
            GraceMs = 1000 * (misfire?.Number("grace_seconds", 1, 86_400) ?? 60),
            MostMissed = (int)(misfire?.Number("limit", 1, 1000) ?? 100),
            Overlap = fields.Word<OverlapPolicy>("overlap") ?? OverlapPolicy.Allow,
        };
        misfire?.Finish();
        fields.Finish();
        return wanted;
    }

    /// <summary>The field <c>when</c>.</summary>
    public static Timing ReadTiming(RequestFields fields, long now)
    {
        RequestFields when = fields.Object("when") ?? throw fields.Wrong("when", "is missing: say {\"cron\": …}, {\"every_seconds\": …} or {\"at\": …}");
        string? cron = when.Text("cron", LongestExpression), zone = when.Text("time_zone", LongestName);
        long? every = when.Number("every_seconds", 1, LongestIntervalSeconds);
        long? at = when.Time("at")?.ToUnixTimeMilliseconds(), startsAt = when.Time("starts_at")?.ToUnixTimeMilliseconds(), endsAt = when.Time("ends_at")?.ToUnixTimeMilliseconds();
        when.Finish();
        switch (cron, every, at)
        {
            case ({ } expression, null, null):
                try
                {
                    return Timing.OfCron(expression, zone ?? "UTC", startsAt ?? 0, endsAt ?? 0);
                }
                catch (FormatException exception)
                {
                    throw AgentProblem.WrongField("/when", exception.Message).AsException();
                }

            case (null, { } seconds, null) when zone is null:
                return Timing.OfInterval(1000 * seconds, startsAt ?? (now + (1000 * seconds)), endsAt ?? 0);
            case (null, null, { } time) when zone is null && startsAt is null && endsAt is null:
                return Timing.OfTime(time);
            default:
                throw fields.Wrong("when", "has one of 'cron', 'every_seconds' and 'at'; 'time_zone' belongs to 'cron', and 'at' stands alone");
        }
    }

    private static JobTemplate ReadJob(HttpContext context, RequestFields job, JobCatalog catalog, AgentOptions limits)
    {
        string type = job.Text("type", 200) ?? throw job.Wrong("type", "is missing");
        var input = job.Value("input") ?? throw job.Wrong("input", "is missing");
        string project = AgentBoundary.ProjectOf(context);
        byte[] value = JobSubmission.Checked(catalog, project, type, input, "/job/input");
        if (value.Length > LongestInput)
        {
            throw job.Wrong("input", $"may have {LongestInput} bytes at most in a schedule");
        }

        RunRequest request = JobSubmission.ReadOptions(context, job, new RunRequest { Project = "", Type = type, Input = value, Options = catalog.OptionsOf(type, project) }, limits);
        job.Finish();
        return new JobTemplate { Type = type, Input = input, Priority = request.Priority, Options = request.Options, Labels = request.Labels, Webhook = request.Webhook };
    }

    private static string Named(RequestFields fields, string name) => Name().IsMatch(name) && !name.StartsWith("sch_", StringComparison.Ordinal)
        ? name
        : throw fields.Wrong("name", "must begin with a letter or digit, have only letters, digits, '.', '_' and '-', and not begin with 'sch_', as ids do");

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]*$", RegexOptions.CultureInvariant)]
    private static partial Regex Name();
}
