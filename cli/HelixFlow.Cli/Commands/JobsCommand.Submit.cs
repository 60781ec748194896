using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Commands;

internal sealed partial class JobsCommand
{
    private Command Submit()
    {
        var type = new Argument<string>("TYPE") { Description = "The job's type; 'helixflow jobs types' lists them" };
        var input = new JobInputOptions();
        var priority = new Option<string?>("--priority") { Description = "interactive, high, normal or low", HelpName = "CLASS" };
        var name = new Option<string?>("--key") { Description = "Idempotency key: asking again with it gives the same job", HelpName = "KEY" };
        var delay = new Option<long?>("--delay") { Description = "Start so many seconds from now", HelpName = "SECONDS" };
        var time = new Option<string?>("--at") { Description = "Start at this time, for example 2030-01-31T12:00:00Z", HelpName = "TIME" };
        var attempts = new Option<long?>("--attempts") { Description = "How often it is tried; default: as its type says, or 3", HelpName = "N" };
        var timeout = new Option<long?>("--timeout") { Description = "The longest that an attempt may take", HelpName = "SECONDS" };
        var total = new Option<long?>("--total-timeout") { Description = "The longest that it may take altogether, with all attempts and waits", HelpName = "SECONDS" };
        var after = new Option<string[]>("--after") { Description = "Start after this job has succeeded; may be repeated", HelpName = "ID" };
        var label = new Option<string[]>("--label") { Description = "Your own words about it; may be repeated", HelpName = "NAME=VALUE" };
        var webhook = new Option<string?>("--webhook") { Description = "Address that is told how the job ends; needs --webhook-secret", HelpName = "URL" };
        var secret = new Option<string?>("--webhook-secret") { Description = "The name of the secret that signs what is told", HelpName = "NAME" };
        var watch = new Option<bool>("--watch") { Description = "Follow it to its end and print its result" };
        var command = new Command("submit", "Submit a job; prints its id") { type };
        input.AddTo(command);
        foreach (Option option in (Option[])[priority, name, delay, time, attempts, timeout, total, after, label, webhook, secret, watch])
        {
            command.Add(option);
        }

        return Act(command, async (arguments, client, output, token) =>
        {
            var job = new JsonObject { ["type"] = arguments.GetRequiredValue(type), ["input"] = await input.ReadAsync(arguments, client, token) };
            job.SetGiven("priority", arguments.GetValue(priority));
            job.SetGiven("delay_seconds", arguments.GetValue(delay));
            job.SetGiven("not_before", arguments.GetValue(time));
            var options = new JsonObject();
            options.SetGiven("max_attempts", arguments.GetValue(attempts));
            options.SetGiven("attempt_timeout_ms", arguments.GetValue(timeout) * 1000);
            options.SetGiven("total_timeout_ms", arguments.GetValue(total) * 1000);
            if (options.Count > 0)
            {
                job["options"] = options;
            }

            if (arguments.GetValue(after) is { Length: > 0 } ids)
            {
                job["depends_on"] = new JsonArray([.. ids.Select(static id => (JsonNode)id)]);
            }

            job.SetGiven("labels", Labels(arguments.GetValue(label)));
            if (arguments.GetValue(webhook) is { } url)
            {
                job["webhook"] = new JsonObject { ["url"] = url, ["secret_name"] = arguments.GetValue(secret) };
            }

            string answer = await client.SendAsync(HttpMethod.Post, "jobs", job.ToJsonString(), arguments.GetValue(name), token);
            string id = JsonElement.Parse(answer).GetProperty("id").GetString()!;
            if (arguments.GetValue(watch))
            {
                return await FollowAsync(arguments, client, output, [id], token);
            }

            await output.WriteLineAsync(arguments.GetValue(_server.Json) ? answer : id);
            return 0;
        });
    }

    /// <summary>Labels as the API has them; null for none.</summary>
    private static JsonObject? Labels(string[]? texts)
    {
        if (texts is not { Length: > 0 })
        {
            return null;
        }

        var labels = new JsonObject();
        foreach (string text in texts)
        {
            (string name, string value) = text.Split('=', 2) is [{ Length: > 0 } left, var right] ? (left, right) : throw new JobClientException($"--label: '{text}' will not do; it must be a name, '=' and a value.");
            labels[name] = value;
        }

        return labels;
    }
}
