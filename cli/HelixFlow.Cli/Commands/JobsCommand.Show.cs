using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Commands;

internal sealed partial class JobsCommand
{
    private const int LargestPage = 100;

    private readonly Option<string?> _state = new("--state") { Description = "Only jobs in these states, joined by commas: waiting, ready, running, parked, succeeded, cancelled, dead", HelpName = "STATES" };
    private readonly Option<string?> _ofType = new("--type") { Description = "Only jobs of this type", HelpName = "TYPE" };
    private readonly Option<string[]> _label = new("--label") { Description = "Only jobs with this label; may be repeated", HelpName = "NAME=VALUE" };
    private readonly Option<string?> _schedule = new("--schedule") { Description = "Only jobs of the schedule with this id", HelpName = "ID" };
    private readonly Option<string?> _parent = new("--parent") { Description = "Only jobs that this job has asked for", HelpName = "ID" };
    private readonly Option<string?> _error = new("--error") { Description = "Only jobs whose error has this code", HelpName = "CODE" };

    private Command List()
    {
        var limit = new Option<int>("--limit") { Description = "The most to list", DefaultValueFactory = _ => 20, HelpName = "N" };
        var command = new Command("list", "List jobs, newest first") { _state, _ofType, _label, _schedule, _parent, _error, limit };
        return Act(command, async (arguments, client, output, token) =>
        {
            List<string[]> rows = [["ID", "TYPE", "STATE", "PROGRESS", "ASKED", "TOOK", "MESSAGE"]];
            string? cursor = "";
            for (int left = arguments.GetValue(limit); left > 0 && cursor is not null; left -= LargestPage)
            {
                string answer = await client.GetAsync($"jobs?{Query(arguments, left, cursor)}", token);
                Write(arguments, output, answer, page => rows.AddRange(page.Items("data").Select(static job => (string[])
                [
                    job.Text("id"), job.Text("type"), job.Text("state"), job.Percent(), job.Clock("created_at"), job.Took(), job.Message(120),
                ])));
                cursor = JsonElement.Parse(answer).GetProperty("next_cursor").GetString();
            }

            if (!arguments.GetValue(_server.Json))
            {
                Terminal.WriteTable(output, rows);
            }

            return 0;
        });
    }

    private string Query(ParseResult arguments, int most, string cursor)
    {
        (string, string?)[] parameters =
        [
            ("state", arguments.GetValue(_state)), ("type", arguments.GetValue(_ofType)), ("schedule", arguments.GetValue(_schedule)), ("parent", arguments.GetValue(_parent)),
            ("error", arguments.GetValue(_error)), ("limit", Math.Min(most, LargestPage).ToString(CultureInfo.InvariantCulture)), ("cursor", cursor),
            .. (arguments.GetValue(_label) ?? []).Select(static label => ("label", (string?)label)),
        ];
        return string.Join('&', parameters.Where(static parameter => parameter.Item2 is { Length: > 0 }).Select(static parameter => $"{parameter.Item1}={Uri.EscapeDataString(parameter.Item2!)}"));
    }

    private Command Show()
    {
        var result = new Option<bool>("--result") { Description = "Print the job's result alone, as JSON" };
        var command = new Command("show", "Show a job with its steps, or its result") { _id, result };
        command.Aliases.Add("get");
        return Act(command, async (arguments, client, output, token) =>
        {
            string answer = await client.GetAsync(JobPath(arguments, arguments.GetValue(result) ? "/result" : ""), token);
            if (arguments.GetValue(result) || arguments.GetValue(_server.Json))
            {
                await output.WriteLineAsync(answer);
                return 0;
            }

            JsonElement job = JsonElement.Parse(answer), steps = JsonElement.Parse(await client.GetAsync(JobPath(arguments, "/steps"), token));
            JsonElement children = job.Number("children") == 0 ? default : JsonElement.Parse(await client.GetAsync($"jobs?limit={LargestPage}&parent={Uri.EscapeDataString(job.Text("id"))}", token));
            JobReport.Write(output, job, steps, children, await HintAsync(client, job, token));
            return 0;
        });
    }

    /// <summary>What keeps a job from going on that nothing else would tell; null for nothing.</summary>
    private static async Task<string?> HintAsync(JobClient client, JsonElement job, CancellationToken cancellationToken)
    {
        switch (job.Text("state"))
        {
            case "ready":
                string type = job.Text("type");
                JsonElement types = JsonElement.Parse(await client.GetAsync("job-types", cancellationToken));
                if (types.Items("data").Any(one => one.Text("name") == type && one.Given("paused_at") is not null))
                {
                    return $"The type {type} is paused: 'helixflow jobs resume {type}'.";
                }

                JsonElement workers = JsonElement.Parse(await client.GetAsync("workers", cancellationToken));
                return workers.Items("data").Any(worker => worker.Items("types").Any(one => one.GetString() == type)) ? null : $"No worker is there that does jobs of the type {type}.";
            case "parked":
                return $"Nobody knows what became of a step: 'helixflow jobs decide {job.Text("id")} STEP --retry', or with --output.";
            default:
                return null;
        }
    }
}
