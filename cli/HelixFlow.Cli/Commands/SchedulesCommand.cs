using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow schedules</c>: jobs that a running server starts by the clock.</summary>
/// <remarks>Exit codes: 0 done; 1 the server refused or could not be reached; 2 wrong usage.</remarks>
internal sealed class SchedulesCommand
{
    private readonly JobServerOptions _server = new("Print what the server says as JSON");
    private readonly Argument<string> _name = new("NAME") { Description = "The schedule's name or id" };
    private readonly Option<string?> _cron = new("--cron") { Description = "Five fields as in crontab, six with seconds in front, or @daily and its like", HelpName = "EXPRESSION" };
    private readonly Option<string?> _zone = new("--time-zone") { Description = "Whose clocks --cron means, by its IANA name; default: UTC", HelpName = "ZONE" };
    private readonly Option<long?> _every = new("--every") { Description = "Each so many seconds", HelpName = "SECONDS" };
    private readonly Option<string?> _at = new("--at") { Description = "Once, at this time, for example 2030-01-31T12:00:00Z", HelpName = "TIME" };
    private readonly Option<int> _count = new("--count") { Description = "How many times to show", DefaultValueFactory = _ => 10, HelpName = "N" };

    /// <summary>The command with its subcommands.</summary>
    public static Command Create()
    {
        var schedules = new SchedulesCommand();
        return new Command("schedules", "Let a running server start jobs by the clock")
        {
            schedules.Add(), schedules.List(), schedules.Show(), schedules.Preview(), schedules.Fires(), schedules.Act("pause", "Keep a schedule from firing"),
            schedules.Act("resume", "Let a paused schedule fire again; what passed meanwhile does not count"), schedules.RunNow(), schedules.Remove(),
        };
    }

    private Command Add()
    {
        var type = new Argument<string>("TYPE") { Description = "The job's type; 'helixflow jobs types' lists them" };
        var input = new JobInputOptions();
        var priority = new Option<string?>("--priority") { Description = "interactive, high, normal or low", HelpName = "CLASS" };
        var misfire = new Option<string?>("--misfire") { Description = "For times that passed while no server ran: skip, once (default) or all", HelpName = "POLICY" };
        var overlap = new Option<string?>("--overlap") { Description = "While an earlier job has not ended: allow (default), skip or buffer_one", HelpName = "POLICY" };
        var replace = new Option<bool>("--replace") { Description = "Change the schedule of this name if there is one" };
        Command command = _server.AddTo(new Command("add", "Make a schedule") { _name, type, _cron, _zone, _every, _at });
        input.AddTo(command);
        foreach (Option option in (Option[])[priority, misfire, overlap, replace])
        {
            command.Add(option);
        }

        command.Validators.Add(OneTiming);
        command.SetAction((arguments, token) => _server.CallAsync(arguments, async (client, output) =>
        {
            string name = arguments.GetRequiredValue(_name);
            var job = new JsonObject { ["type"] = arguments.GetRequiredValue(type), ["input"] = await input.ReadAsync(arguments, client, token) };
            job.SetGiven("priority", arguments.GetValue(priority));
            var schedule = new JsonObject { ["name"] = name, ["when"] = When(arguments), ["job"] = job };
            schedule.SetGiven("overlap", arguments.GetValue(overlap));
            if (arguments.GetValue(misfire) is { } policy)
            {
                schedule["misfire"] = new JsonObject { ["policy"] = policy };
            }

            string answer = arguments.GetValue(replace)
                ? await client.SendAsync(HttpMethod.Put, $"schedules/{Uri.EscapeDataString(name)}", schedule.ToJsonString(), null, token)
                : await client.SendAsync(HttpMethod.Post, "schedules", schedule.ToJsonString(), null, token);
            await output.WriteLineAsync(arguments.GetValue(_server.Json) ? answer : $"{name} fires at {JsonElement.Parse(answer).Text("next_fire_at")}.");
            return 0;
        }, token));
        return command;
    }

    private Command List()
    {
        Command command = _server.AddTo(new Command("list", "List schedules by name"));
        command.SetAction((arguments, token) => _server.CallAsync(arguments, async (client, output) =>
        {
            List<string[]> rows = [["NAME", "STATE", "WHEN", "JOB", "NEXT", "LAST"]];
            string? cursor = "";
            while (cursor is not null)
            {
                string answer = await client.GetAsync($"schedules?limit=100&cursor={Uri.EscapeDataString(cursor)}", token);
                if (arguments.GetValue(_server.Json))
                {
                    await output.WriteLineAsync(answer);
                }

                JsonElement page = JsonElement.Parse(answer);
                rows.AddRange(page.GetProperty("data").EnumerateArray().Select(static schedule => (string[])
                [
                    schedule.Text("name"), schedule.Text("state"), Shown(schedule.GetProperty("when")), schedule.GetProperty("job").Text("type"),
                    schedule.Text("next_fire_at"), schedule.Text("last_fire_at"),
                ]));
                cursor = page.GetProperty("next_cursor").GetString();
            }

            if (!arguments.GetValue(_server.Json))
            {
                Terminal.WriteTable(output, rows);
            }

            return 0;
        }, token));
        return command;
    }

    private Command Show()
    {
        Command command = _server.AddTo(new Command("show", "Show a schedule, as JSON") { _name });
        command.SetAction((arguments, token) => _server.CallAsync(arguments, async (client, output) =>
        {
            string answer = await client.GetAsync(Path(arguments), token);
            if (arguments.GetValue(_server.Json))
            {
                await output.WriteLineAsync(answer);
                return 0;
            }

            Terminal.WriteJson(output, JsonElement.Parse(answer));
            return 0;
        }, token));
        return command;
    }

    private Command Preview()
    {
        var name = new Argument<string?>("NAME") { Description = "The schedule's name or id; without it, --cron, --every or --at say what to show", Arity = ArgumentArity.ZeroOrOne };
        Command command = _server.AddTo(new Command("preview", "Show the next times of a schedule, or of one that is not made yet") { name, _cron, _zone, _every, _at, _count });
        command.Validators.Add(result =>
        {
            if (result.GetValue(name) is null)
            {
                OneTiming(result);
            }
        });
        command.SetAction((arguments, token) => _server.CallAsync(arguments, async (client, output) =>
        {
            int count = arguments.GetValue(_count);
            string answer = arguments.GetValue(name) is { } known
                ? await client.GetAsync(string.Create(CultureInfo.InvariantCulture, $"schedules/{Uri.EscapeDataString(known)}/preview?count={count}"), token)
                : await client.SendAsync(HttpMethod.Post, "schedules/preview", new JsonObject { ["when"] = When(arguments), ["count"] = count }.ToJsonString(), null, token);
            await WriteAsync(arguments, output, answer, ["AT", "LOCAL"], static time => [time.Text("at"), time.Text("local")]);
            return 0;
        }, token));
        return command;
    }

    private Command Fires()
    {
        Command command = _server.AddTo(new Command("fires", "Show what became of a schedule's last times") { _name });
        command.SetAction((arguments, token) => _server.CallAsync(arguments, async (client, output) =>
        {
            string answer = await client.GetAsync($"{Path(arguments)}/fires", token);
            await WriteAsync(arguments, output, answer, ["FOR", "AT", "OUTCOME", "JOB"], static fire => [fire.Text("fire_at"), fire.Text("at"), fire.Text("outcome"), fire.Text("job")]);
            return 0;
        }, token));
        return command;
    }

    private Command RunNow()
    {
        Command command = _server.AddTo(new Command("run", "Ask for a schedule's job now; prints the job's id") { _name });
        command.SetAction((arguments, token) => _server.CallAsync(arguments, async (client, output) =>
        {
            string answer = await client.SendAsync(HttpMethod.Post, $"{Path(arguments)}/run", null, null, token);
            await output.WriteLineAsync(arguments.GetValue(_server.Json) ? answer : JsonElement.Parse(answer).Text("id"));
            return 0;
        }, token));
        return command;
    }

    private Command Remove()
    {
        Command command = _server.AddTo(new Command("remove", "Remove a schedule; its jobs stay") { _name });
        command.SetAction((arguments, token) => _server.CallAsync(arguments, async (client, _) =>
        {
            await client.SendAsync(HttpMethod.Delete, Path(arguments), null, null, token);
            return 0;
        }, token));
        return command;
    }

    private Command Act(string action, string description)
    {
        Command command = _server.AddTo(new Command(action, description) { _name });
        command.SetAction((arguments, token) => _server.CallAsync(arguments, async (client, output) =>
        {
            string answer = await client.SendAsync(HttpMethod.Post, $"{Path(arguments)}/{action}", null, null, token);
            await output.WriteLineAsync(arguments.GetValue(_server.Json) ? answer : JsonElement.Parse(answer).Text("state"));
            return 0;
        }, token));
        return command;
    }

    private void OneTiming(CommandResult result)
    {
        int given = (result.GetValue(_cron) is null ? 0 : 1) + (result.GetValue(_every) is null ? 0 : 1) + (result.GetValue(_at) is null ? 0 : 1);
        if (given != 1)
        {
            result.AddError("Give one of --cron, --every and --at.");
        }
    }

    private JsonObject When(ParseResult arguments)
    {
        var when = new JsonObject();
        when.SetGiven("cron", arguments.GetValue(_cron));
        when.SetGiven("time_zone", arguments.GetValue(_zone));
        when.SetGiven("at", arguments.GetValue(_at));
        if (arguments.GetValue(_every) is { } seconds)
        {
            when["every_seconds"] = seconds;
        }

        return when;
    }

    private string Path(ParseResult arguments) => $"schedules/{Uri.EscapeDataString(arguments.GetRequiredValue(_name))}";

    private async Task WriteAsync(ParseResult arguments, TextWriter output, string answer, string[] header, Func<JsonElement, string[]> row)
    {
        if (arguments.GetValue(_server.Json))
        {
            await output.WriteLineAsync(answer);
            return;
        }

        Terminal.WriteTable(output, [header, .. JsonElement.Parse(answer).GetProperty("data").EnumerateArray().Select(row)]);
    }

    private static string Shown(JsonElement when) => (when.Text("cron"), when.Text("at")) switch
    {
        ({ Length: > 0 } cron, _) => $"{cron} {when.Text("time_zone")}",
        (_, { Length: > 0 } at) => at,
        _ => string.Create(CultureInfo.InvariantCulture, $"every {when.GetProperty("every_seconds").GetInt64()} s"),
    };
}
