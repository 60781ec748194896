using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Schedules;
using HelixFlow.Agents.Values;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary>Schedules: made, listed, changed, paused, tried out. A path names one by its id or its name; one of another project is not there.</summary>
internal sealed class ScheduleEndpoints(Journal.Journal journal, JobCatalog catalog, AgentOptions options, JobEndpoints jobs)
{
    private const int MostPreviewed = 1000;

    public async Task CreateAsync(HttpContext context)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        ScheduleDefinition wanted = ScheduleSubmission.Read(context, fields, null, catalog, options, await journal.NowAsync(context.RequestAborted));
        await CheckAsync(context, wanted);
        await AnswerCreatedAsync(context, await journal.CreateScheduleAsync(wanted, context.RequestAborted));
    }

    /// <summary>Replaces a schedule, or makes it when there is none of that name.</summary>
    public async Task PutAsync(HttpContext context, string id)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        Schedule? known = await journal.GetScheduleAsync(AgentBoundary.ProjectOf(context), id, context.RequestAborted);
        ScheduleDefinition wanted = ScheduleSubmission.Read(context, fields, known?.Definition.Name ?? id, catalog, options, await journal.NowAsync(context.RequestAborted));
        await CheckAsync(context, wanted);
        if (known is null)
        {
            await AnswerCreatedAsync(
                context, wanted.Name == id ? await journal.CreateScheduleAsync(wanted, context.RequestAborted) : throw fields.Wrong("name", "is not the one in the path"));
            return;
        }

        (ScheduleOutcome outcome, Schedule? changed) = await journal.ChangeScheduleAsync(known.Id, wanted, context.RequestAborted);
        await AnswerAsync(context, StatusCodes.Status200OK, Done(outcome, wanted, changed) ?? throw Unknown(id));
    }

    public async Task ListAsync(HttpContext context)
    {
        int limit = jobs.Limit(context);
        string after = context.Request.Query["cursor"].ToString();
        List<Schedule> schedules = await journal.SchedulesAsync(AgentBoundary.ProjectOf(context), after, limit + 1, context.RequestAborted);
        JsonObject list = Pages.List(schedules.Take(limit).Select(Of));
        list["next_cursor"] = schedules.Count > limit ? schedules[limit - 1].Definition.Name : null;
        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, list);
    }

    public async Task GetAsync(HttpContext context, string id) => await AnswerAsync(context, StatusCodes.Status200OK, await FindAsync(context, id));

    public async Task DeleteAsync(HttpContext context, string id)
    {
        Schedule schedule = await FindAsync(context, id);
        context.Response.StatusCode = await journal.DeleteScheduleAsync(schedule.Definition.Project, schedule.Id, context.RequestAborted)
            ? StatusCodes.Status204NoContent
            : throw Unknown(id);
    }

    public async Task PauseAsync(HttpContext context, string id)
    {
        Schedule schedule = await FindAsync(context, id);
        await AnswerAsync(context, StatusCodes.Status200OK, await journal.PauseScheduleAsync(schedule.Definition.Project, schedule.Id, context.RequestAborted) ?? throw Unknown(id));
    }

    public async Task ResumeAsync(HttpContext context, string id)
    {
        Schedule schedule = await FindAsync(context, id);
        try
        {
            await AnswerAsync(context, StatusCodes.Status200OK, await journal.ResumeScheduleAsync(schedule.Definition.Project, schedule.Id, context.RequestAborted) ?? throw Unknown(id));
        }
        catch (FormatException exception)
        {
            throw NoTimes(exception);
        }
    }

    /// <summary>Asks for the job at once.</summary>
    public async Task RunAsync(HttpContext context, string id)
    {
        Schedule schedule = await FindAsync(context, id);
        await jobs.AnswerAsync(context, await journal.RunScheduleAsync(schedule, JobSubmission.KeyOf(context), context.RequestAborted));
    }

    /// <summary>The next times of a schedule, without doing anything.</summary>
    public async Task PreviewAsync(HttpContext context, string id)
    {
        Schedule schedule = await FindAsync(context, id);
        string text = context.Request.Query["count"].ToString();
        int count = text.Length == 0 ? 10
            : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int given) && given is > 0 and <= MostPreviewed ? given
            : throw AgentProblem.WrongParameter("count", $"'count' must be a whole number from 1 to {MostPreviewed}.").AsException();
        try
        {
            await AnswerTimesAsync(context, schedule.Definition.Timing, count);
        }
        catch (FormatException exception)
        {
            throw NoTimes(exception);
        }
    }

    /// <summary>The next times that a schedule would have.</summary>
    public async Task PreviewAsync(HttpContext context)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        Timing timing = ScheduleSubmission.ReadTiming(fields, await journal.NowAsync(context.RequestAborted));
        int count = (int)(fields.Number("count", 1, MostPreviewed) ?? 10);
        fields.Finish();
        await AnswerTimesAsync(context, timing, count);
    }

    /// <summary>What became of a schedule's times, the last first.</summary>
    public async Task ListFiresAsync(HttpContext context, string id)
    {
        Schedule schedule = await FindAsync(context, id);
        List<ScheduleFire> fires = await journal.ScheduleFiresAsync(schedule.Id, jobs.Limit(context), context.RequestAborted);
        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, Pages.List(fires.Select(static fire => new JsonObject
        {
            ["fire_at"] = JobJson.Time(fire.FireAt),
            ["at"] = JobJson.Time(fire.At),
            ["outcome"] = Words.Of(fire.Outcome),
            ["job"] = fire.Run,
        })));
    }

    /// <summary>Refuses a job that names a secret or a file that the project does not have.</summary>
    private async Task CheckAsync(HttpContext context, ScheduleDefinition wanted)
    {
        await jobs.CheckSecretAsync(context, wanted.Job.Webhook, "/job/webhook/secret_name");
        if (await journal.FindMissingFileAsync(wanted.Project, CanonicalJson.Of(wanted.Job.Input), context.RequestAborted) is { } missing)
        {
            throw AgentProblem.UnknownArtifact(missing).AsException();
        }
    }

    private async Task<Schedule> FindAsync(HttpContext context, string id) =>
        await journal.GetScheduleAsync(AgentBoundary.ProjectOf(context), id, context.RequestAborted) ?? throw Unknown(id);

    private static async Task AnswerCreatedAsync(HttpContext context, (ScheduleOutcome Outcome, Schedule? Schedule) made)
    {
        Schedule schedule = Done(made.Outcome, null, made.Schedule)!;
        context.Response.Headers.Location = $"{AgentEndpoints.Root}/schedules/{schedule.Id}";
        await AnswerAsync(context, StatusCodes.Status201Created, schedule);
    }

    private static Schedule? Done(ScheduleOutcome outcome, ScheduleDefinition? wanted, Schedule? schedule) => outcome switch
    {
        ScheduleOutcome.NameTaken => throw new AgentProblem(StatusCodes.Status409Conflict, "name_taken", $"The project has another schedule of this name{(wanted is null ? "" : $", '{wanted.Name}'")}.")
        {
            Pointer = "/name",
        }.AsException(),
        ScheduleOutcome.NeverFires => throw new AgentProblem(StatusCodes.Status422UnprocessableEntity, "never_fires", "The schedule has no time in the future.") { Pointer = "/when" }.AsException(),
        _ => schedule,
    };

    private async Task AnswerTimesAsync(HttpContext context, Timing timing, int count)
    {
        var times = new List<JsonNode>();
        long last = await journal.NowAsync(context.RequestAborted);
        _ = timing.After(last); // says first of all when its zone is not known
        TimeZoneInfo zone = timing.TimeZone is { } name ? TimeZoneInfo.FindSystemTimeZoneById(name) : TimeZoneInfo.Utc;
        while (times.Count < count && timing.After(last) is { } next)
        {
            DateTimeOffset local = TimeZoneInfo.ConvertTime(DateTimeOffset.FromUnixTimeMilliseconds(next), zone);
            times.Add(new JsonObject { ["at"] = JobJson.Time(next), ["local"] = local.ToString("yyyy-MM-dd'T'HH:mm:sszzz", CultureInfo.InvariantCulture) });
            last = next;
        }

        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, Pages.List(times));
    }

    private static async Task AnswerAsync(HttpContext context, int status, Schedule schedule) => await AgentResponse.WriteAsync(context, status, Of(schedule));

    private static JsonObject Of(Schedule schedule)
    {
        ScheduleDefinition wanted = schedule.Definition;
        return new JsonObject
        {
            ["id"] = schedule.Id,
            ["object"] = "schedule",
            ["name"] = wanted.Name,
            ["state"] = Words.Of(schedule.State),
            ["when"] = Of(wanted.Timing),
            ["job"] = new JsonObject
            {
                ["type"] = wanted.Job.Type,
                ["input"] = JsonNode.Parse(Encoding.UTF8.GetString(CanonicalJson.Of(wanted.Job.Input))),
                ["priority"] = Words.Of(wanted.Job.Priority),
                ["options"] = JobJson.Of(wanted.Job.Options),
                ["labels"] = JobJson.Of(wanted.Job.Labels),
                ["webhook"] = WebhookEndpoints.Of(wanted.Job.Webhook),
            },
            ["misfire"] = new JsonObject { ["policy"] = Words.Of(wanted.Misfire), ["grace_seconds"] = wanted.GraceMs / 1000, ["limit"] = wanted.MostMissed },
            ["overlap"] = Words.Of(wanted.Overlap),
            ["next_fire_at"] = JobJson.Time(schedule.NextFire ?? 0),
            ["last_fire_at"] = JobJson.Time(schedule.LastFire ?? 0),
            ["created_at"] = JobJson.Time(schedule.CreatedAt),
            ["updated_at"] = JobJson.Time(schedule.UpdatedAt),
        };
    }

    private static JsonObject Of(Timing timing)
    {
        JsonObject when = timing.Cron is { } cron ? new JsonObject { ["cron"] = cron, ["time_zone"] = timing.TimeZone }
            : timing.EveryMs > 0 ? new JsonObject { ["every_seconds"] = timing.EveryMs / 1000 }
            : new JsonObject { ["at"] = JobJson.Time(timing.At) };
        foreach ((string name, long time) in (ReadOnlySpan<(string, long)>)[("starts_at", timing.StartsAt), ("ends_at", timing.EndsAt)])
        {
            if (JobJson.Time(time) is { } text)
            {
                when[name] = text;
            }
        }

        return when;
    }

    private static AgentProblemException NoTimes(FormatException exception) => new AgentProblem(StatusCodes.Status422UnprocessableEntity, "no_times", exception.Message).AsException();

    private static AgentProblemException Unknown(string id) =>
        new AgentProblem(StatusCodes.Status404NotFound, "unknown_schedule", $"There is no schedule '{AgentProblem.Shortened(id)}' in this project.").AsException();
}
