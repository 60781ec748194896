using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow jobs</c>: submits jobs to a running server, follows and steers them.</summary>
/// <remarks>Exit codes: 0 done; 1 the server refused or could not be reached; 2 wrong usage; 3 the followed job failed; 4 it was cancelled.</remarks>
internal sealed partial class JobsCommand
{
    private const int Failed = 3;
    private const int WasCancelled = 4;

    private readonly Option<string> _url;
    private readonly Option<string?> _key;
    private readonly Option<string?> _data;
    private readonly Option<bool> _json;
    private readonly Argument<string> _id = new("ID") { Description = "The job's id" };

    private readonly JobServerOptions _server = new("Print what the server says as JSON; with watch, one event per line");

    private JobsCommand() => (_url, _key, _data, _json) = (_server.Url, _server.Key, _server.Data, _server.Json);

    /// <summary>The command with its subcommands.</summary>
    public static Command Create()
    {
        var jobs = new JobsCommand();
        return new Command("jobs", "Submit jobs to a running server, follow and steer them")
        {
            jobs.Submit(), jobs.Watch(), jobs.List(), jobs.Get(), jobs.Retry(), jobs.Cancel(), jobs.Approvals(), jobs.Approve(), jobs.Reject(), jobs.Types(), jobs.Artifacts(), jobs.WhyStale(), jobs.Collect(),
        };
    }

    private Command Submit()
    {
        var type = new Argument<string>("TYPE") { Description = "The job's type; 'helixflow jobs types' lists them" };
        var input = new Option<string?>("--input") { Description = "The input as JSON; @FILE reads it from a file, @- from standard input", HelpName = "JSON" };
        var text = new Option<string?>("--text-file") { Description = "Sets the input's 'text' to a file's content; - is standard input", HelpName = "FILE" };
        var table = new Option<string?>("--data-file") { Description = "Sets the input's 'data' to a file's content; - is standard input", HelpName = "FILE" };
        var file = new Option<string[]>("--artifact") { Description = "Brings a file and sets a field of the input to it; may be repeated", HelpName = "FIELD=FILE" };
        var question = new Option<string?>("--question") { Description = "Sets the input's 'question'", HelpName = "TEXT" };
        var goal = new Option<string?>("--goal") { Description = "Sets the input's 'goal'", HelpName = "TEXT" };
        var topic = new Option<string?>("--topic") { Description = "Sets the input's 'topic'", HelpName = "TEXT" };
        var tool = new Option<string[]>("--tool") { Description = "Gives an agent a built-in tool: calculator, current_time, json_query, search_documents, http_fetch; may be repeated", HelpName = "NAME" };
        var address = new Option<string[]>("--source-url") { Description = "Adds to the input's 'urls'; may be repeated", HelpName = "URL" };
        var priority = new Option<string?>("--priority") { Description = "interactive, high, normal or low", HelpName = "CLASS" };
        var name = new Option<string?>("--key") { Description = "Idempotency key: asking again with it gives the same job", HelpName = "KEY" };
        var delay = new Option<long?>("--delay") { Description = "Start so many seconds from now", HelpName = "SECONDS" };
        var after = new Option<string[]>("--after") { Description = "Start after this job has succeeded; may be repeated", HelpName = "ID" };
        var label = new Option<string[]>("--label") { Description = "Your own words about it; may be repeated", HelpName = "NAME=VALUE" };
        var webhook = new Option<string?>("--webhook") { Description = "Address that is told how the job ends; needs --webhook-secret", HelpName = "URL" };
        var secret = new Option<string?>("--webhook-secret") { Description = "The name of the secret that signs what is told", HelpName = "NAME" };
        var watch = new Option<bool>("--watch") { Description = "Follow it to its end and print its result" };
        var command = new Command("submit", "Submit a job") { type, input, text, table, file, question, goal, topic, tool, address, priority, name, delay, after, label, webhook, secret, watch, _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, async (client, output) =>
        {
            JsonNode value = JsonNode.Parse(await JobServerOptions.ContentAsync(arguments.GetValue(input) ?? "{}", token)) ?? throw new JobClientException("The input is null.");
            if (value is JsonObject fields)
            {
                await SetAsync(fields, "text", arguments.GetValue(text), token);
                await SetAsync(fields, "data", arguments.GetValue(table), token);
                await BringAsync(client, fields, arguments.GetValue(file) ?? [], token);
                foreach ((string field, string? words) in ((string, string?)[])[("question", arguments.GetValue(question)), ("goal", arguments.GetValue(goal)), ("topic", arguments.GetValue(topic))])
                {
                    if (words is not null)
                    {
                        fields[field] = words;
                    }
                }

                if (arguments.GetValue(tool) is { Length: > 0 } tools)
                {
                    fields["tools"] = new JsonArray([.. tools.Select(static one => new JsonObject { ["type"] = "builtin", ["name"] = one })]);
                }

                if (arguments.GetValue(address) is { Length: > 0 } addresses)
                {
                    fields["urls"] = new JsonArray([.. addresses.Select(static one => (JsonNode)one)]);
                }
            }

            var job = new JsonObject { ["type"] = arguments.GetRequiredValue(type), ["input"] = value };
            if (arguments.GetValue(priority) is { } word)
            {
                job["priority"] = word;
            }

            if (arguments.GetValue(delay) is { } seconds)
            {
                job["delay_seconds"] = seconds;
            }

            if (arguments.GetValue(after) is { Length: > 0 } ids)
            {
                job["depends_on"] = new JsonArray([.. ids.Select(static id => (JsonNode)id)]);
            }

            if (arguments.GetValue(label) is { Length: > 0 } labels)
            {
                job["labels"] = new JsonObject(labels.Select(static label => label.Split('=', 2)).Select(static pair => KeyValuePair.Create(pair[0], (JsonNode?)pair.ElementAtOrDefault(1))));
            }

            if (arguments.GetValue(webhook) is { } url)
            {
                job["webhook"] = new JsonObject { ["url"] = url, ["secret_name"] = arguments.GetValue(secret) };
            }

            string answer = await client.SendAsync(HttpMethod.Post, "jobs", job.ToJsonString(), arguments.GetValue(name), token);
            string id = JsonElement.Parse(answer).GetProperty("id").GetString()!;
            if (arguments.GetValue(watch))
            {
                return await FollowAsync(arguments, client, output, id, token);
            }

            await output.WriteLineAsync(arguments.GetValue(_json) ? answer : id);
            return 0;
        }, token));
        return command;
    }

    private Command Watch()
    {
        var command = new Command("watch", "Follow a job to its end and print its result") { _id, _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, (client, output) => FollowAsync(arguments, client, output, arguments.GetRequiredValue(_id), token), token));
        return command;
    }

    private Command List()
    {
        var state = new Option<string?>("--state") { Description = "Only jobs in these states, joined by commas: waiting, ready, running, parked, succeeded, cancelled, dead", HelpName = "STATES" };
        var type = new Option<string?>("--type") { Description = "Only jobs of this type", HelpName = "TYPE" };
        var limit = new Option<int>("--limit") { Description = "The most to list", DefaultValueFactory = _ => 20, HelpName = "N" };
        var command = new Command("list", "List jobs, newest first") { state, type, limit, _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, async (client, output) =>
        {
            string path = string.Create(CultureInfo.InvariantCulture, $"jobs?limit={arguments.GetValue(limit)}") +
                $"&state={Uri.EscapeDataString(arguments.GetValue(state) ?? "")}&type={Uri.EscapeDataString(arguments.GetValue(type) ?? "")}";
            string answer = await client.GetAsync(path, token);
            if (arguments.GetValue(_json))
            {
                await output.WriteLineAsync(answer);
                return 0;
            }

            List<string[]> rows = [["ID", "TYPE", "STATE", "PROGRESS", "CREATED", "MESSAGE"]];
            rows.AddRange(JsonElement.Parse(answer).GetProperty("data").EnumerateArray().Select(static job => (string[])
            [
                Text(job, "id"), Text(job, "type"), Text(job, "state"),
                string.Create(CultureInfo.InvariantCulture, $"{job.GetProperty("progress").GetProperty("percent").GetInt32()} %"), Text(job, "created_at"), Message(job),
            ]));
            Terminal.WriteTable(output, rows);
            return 0;
        }, token));
        return command;
    }

    private Command Get()
    {
        var result = new Option<bool>("--result") { Description = "Print the job's result, as JSON" };
        var command = new Command("get", "Show a job, or its result") { _id, result, _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, async (client, output) =>
        {
            string path = $"jobs/{Uri.EscapeDataString(arguments.GetRequiredValue(_id))}";
            string answer = await client.GetAsync(arguments.GetValue(result) ? path + "/result" : path, token);
            if (arguments.GetValue(result) || arguments.GetValue(_json))
            {
                await output.WriteLineAsync(answer);
                return 0;
            }

            JsonElement job = JsonElement.Parse(answer);
            List<string[]> rows = [.. ((string[])["id", "type", "state", "priority", "created_at", "started_at", "ended_at", "worker"])
                .Where(name => Text(job, name).Length > 0).Select(name => (string[])[name.Replace('_', ' '), Text(job, name)])];
            rows.Add(["progress", string.Create(CultureInfo.InvariantCulture, $"{job.GetProperty("progress").GetProperty("percent").GetInt32()} %")]);
            rows.Add(["message", Message(job)]);
            Terminal.WriteTable(output, rows);
            return 0;
        }, token));
        return command;
    }

    private Command Retry()
    {
        var input = new Option<string?>("--input") { Description = "Another input, as JSON; @FILE reads it from a file", HelpName = "JSON" };
        var command = new Command("retry", "Try a dead or cancelled job again, perhaps with another input") { _id, input, _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, async (client, output) =>
        {
            JsonObject? body = arguments.GetValue(input) is { } text ? new JsonObject { ["input"] = JsonNode.Parse(await JobServerOptions.ContentAsync(text, token)) } : null;
            return await ActAsync(arguments, client, output, "retry", body, token);
        }, token));
        return command;
    }

    private Command Cancel()
    {
        var command = new Command("cancel", "Ask that a job ends") { _id, _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, (client, output) => ActAsync(arguments, client, output, "cancel", null, token), token));
        return command;
    }

    private Command Types()
    {
        var command = new Command("types", "List the types of jobs that the server knows") { _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, async (client, output) =>
        {
            string answer = await client.GetAsync("job-types", token);
            if (arguments.GetValue(_json))
            {
                await output.WriteLineAsync(answer);
                return 0;
            }

            List<string[]> rows = [["TYPE", "INPUT", "DESCRIPTION"]];
            rows.AddRange(JsonElement.Parse(answer).GetProperty("data").EnumerateArray().Select(static type => (string[])
            [
                Text(type, "name"),
                type.GetProperty("input_schema").TryGetProperty("properties", out JsonElement fields) ? string.Join(", ", fields.EnumerateObject().Select(static field => field.Name)) : "any",
                Text(type, "description"),
            ]));
            Terminal.WriteTable(output, rows);
            return 0;
        }, token));
        return command;
    }

    private async Task<int> FollowAsync(ParseResult arguments, JobClient client, TextWriter output, string id, CancellationToken cancellationToken)
    {
        bool isTerminal = ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected;
        string end = await new JobDisplay(output, isTerminal, arguments.GetValue(_json)).ShowAsync(client.FollowAsync(id, cancellationToken), cancellationToken);
        switch (end)
        {
            case "succeeded":
                string result = await client.GetAsync($"jobs/{Uri.EscapeDataString(id)}/result", cancellationToken);
                if (arguments.GetValue(_json))
                {
                    await output.WriteLineAsync(result);
                }
                else if (!ResearchReport.TryWrite(output, JsonElement.Parse(result)))
                {
                    await output.WriteLineAsync(Pretty(result));
                }

                return 0;
            case "cancelled":
                return WasCancelled;
            default:
                return Failed;
        }
    }

    private async Task<int> ActAsync(ParseResult arguments, JobClient client, TextWriter output, string action, JsonObject? body, CancellationToken cancellationToken)
    {
        string answer = await client.SendAsync(HttpMethod.Post, $"jobs/{Uri.EscapeDataString(arguments.GetRequiredValue(_id))}/{action}", body?.ToJsonString(), null, cancellationToken);
        await output.WriteLineAsync(arguments.GetValue(_json) ? answer : Text(JsonElement.Parse(answer), "state"));
        return 0;
    }

    private Task<int> GuardAsync(ParseResult arguments, Func<JobClient, TextWriter, Task<int>> action, CancellationToken cancellationToken) =>
        _server.CallAsync(arguments, action, cancellationToken);

    private static async Task SetAsync(JsonObject fields, string name, string? file, CancellationToken cancellationToken)
    {
        if (file is not null)
        {
            fields[name] = await JobServerOptions.ContentAsync("@" + file, cancellationToken);
        }
    }

    private static string Message(JsonElement job) => Terminal.Printable(
        job.GetProperty("error") is { ValueKind: JsonValueKind.Object } error ? Text(error, "message") : Text(job.GetProperty("progress"), "message"), maxLength: 120);

    private static string Pretty(string json)
    {
        using var writer = new StringWriter(CultureInfo.InvariantCulture);
        Terminal.WriteJson(writer, JsonElement.Parse(json));
        return writer.ToString().TrimEnd();
    }

    private static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? Terminal.Printable(value.GetString()!, maxLength: 200) : "";
}
