using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Commands;

internal sealed partial class JobsCommand
{
    private readonly Argument<string[]> _ids = new("ID") { Description = "The jobs' ids", Arity = ArgumentArity.ZeroOrMore };
    private readonly Option<bool> _all = new("--all") { Description = "All jobs that the options match, instead of ids" };

    private Command Retry()
    {
        var input = new Option<string?>("--input") { Description = "Another input, as JSON; @FILE reads it from a file", HelpName = "JSON" };
        var command = new Command("retry", "Try dead or cancelled jobs again, one of them perhaps with another input; with --all the dead ones") { input };
        return Several(command, "retry", async (arguments, client, id, token) =>
        {
            JsonObject? body = arguments.GetValue(input) is { } text ? new JsonObject { ["input"] = await NodeAsync(text, token) } : null;
            return await client.SendAsync(HttpMethod.Post, $"jobs/{Uri.EscapeDataString(id)}/retry", body?.ToJsonString(), null, token);
        });
    }

    private Command Cancel() => Several(
        new Command("cancel", "Ask that jobs end"), "cancel",
        (_, client, id, token) => client.SendAsync(HttpMethod.Post, $"jobs/{Uri.EscapeDataString(id)}/cancel", null, null, token));

    private Command Delete() => Several(
        new Command("delete", "Delete jobs that have ended, with all that was recorded of them; with --all the succeeded and cancelled ones unless --state says more"), "delete",
        (_, client, id, token) => client.SendAsync(HttpMethod.Delete, $"jobs/{Uri.EscapeDataString(id)}", null, null, token));

    private Command Fork()
    {
        var input = new Option<string?>("--input") { Description = "Another input, as JSON; @FILE reads it from a file", HelpName = "JSON" };
        var from = new Option<string?>("--from") { Description = "The first step to do anew, with all that was recorded after it", HelpName = "STEP" };
        var watch = new Option<bool>("--watch") { Description = "Follow it to its end and print its result" };
        var command = new Command("fork", "Make a new job of one, which uses what that one recorded wherever it is still the same; prints its id") { _id, input, from, watch };
        return Act(command, async (arguments, client, output, token) =>
        {
            var body = new JsonObject();
            if (arguments.GetValue(input) is { } text)
            {
                body["input"] = await NodeAsync(text, token);
            }

            body.SetGiven("from", arguments.GetValue(from));

            string answer = await client.SendAsync(HttpMethod.Post, JobPath(arguments, "/fork"), body.ToJsonString(), null, token);
            string id = JsonElement.Parse(answer).Text("id");
            if (arguments.GetValue(watch))
            {
                return await FollowAsync(arguments, client, output, [id], token);
            }

            await output.WriteLineAsync(arguments.GetValue(_server.Json) ? answer : id);
            return 0;
        });
    }

    private Command Signal()
    {
        var name = new Argument<string>("NAME") { Description = "The signal's name" };
        var value = new Argument<string>("JSON") { Description = "What it is told, as JSON; @FILE reads it from a file", DefaultValueFactory = _ => "null" };
        return Act(new Command("signal", "Tell a job something that it waits for") { _id, name, value }, async (arguments, client, output, token) =>
        {
            string body = (await NodeAsync(arguments.GetRequiredValue(value), token))?.ToJsonString() ?? "null";
            string answer = await client.SendAsync(HttpMethod.Post, JobPath(arguments, $"/signals/{Uri.EscapeDataString(arguments.GetRequiredValue(name))}"), body, null, token);
            Write(arguments, output, answer, job => output.WriteLine(job.Text("state")));
            return 0;
        });
    }

    private Command Decide()
    {
        var step = new Argument<string>("STEP") { Description = "The step's address" };
        var value = new Option<string?>("--output") { Description = "It was done, and this was its output, as JSON; @FILE reads it from a file", HelpName = "JSON" };
        var retry = new Option<bool>("--retry") { Description = "It was not done: do it again" };
        var command = new Command("decide", "Say what became of a step that must not be repeated, so that its parked job goes on") { _id, step, value, retry };
        command.Validators.Add(result =>
        {
            if (result.GetValue(retry) == result.GetValue(value) is not null)
            {
                result.AddError("Give one of --output and --retry.");
            }
        });
        return Act(command, async (arguments, client, output, token) =>
        {
            var body = new JsonObject { ["address"] = arguments.GetRequiredValue(step), ["outcome"] = arguments.GetValue(retry) ? "retry" : "succeeded" };
            if (arguments.GetValue(value) is { } text)
            {
                body["output"] = await NodeAsync(text, token);
            }

            string answer = await client.SendAsync(HttpMethod.Post, JobPath(arguments, "/decisions"), body.ToJsonString(), null, token);
            Write(arguments, output, answer, job => output.WriteLine(job.Text("state")));
            return 0;
        });
    }

    /// <summary>A command that does the same to the jobs that are named, or to all that match.</summary>
    private Command Several(Command command, string action, Func<ParseResult, JobClient, string, CancellationToken, Task<string>> act)
    {
        foreach (Option option in (Option[])[_all, _state, _ofType, _label, _schedule, _parent, _error])
        {
            command.Add(option);
        }

        command.Add(_ids);
        command.Validators.Add(result =>
        {
            bool isNamed = result.GetValue(_ids) is { Length: > 0 };
            if (isNamed == result.GetValue(_all))
            {
                result.AddError("Give ids, or --all with what it means: --type, --state, --label, --schedule, --parent or --error.");
            }
        });
        return Act(command, async (arguments, client, output, token) =>
        {
            if (arguments.GetValue(_all))
            {
                return await AllAsync(arguments, client, output, action, token);
            }

            foreach (string id in arguments.GetRequiredValue(_ids))
            {
                string answer = await act(arguments, client, id, token);
                await output.WriteLineAsync(answer.Length == 0 ? "deleted" : arguments.GetValue(_server.Json) ? answer : JsonElement.Parse(answer).Text("state"));
            }

            return 0;
        });
    }

    private async Task<int> AllAsync(ParseResult arguments, JobClient client, TextWriter output, string action, CancellationToken cancellationToken)
    {
        var body = new JsonObject { ["action"] = action };
        foreach ((string name, string? value) in ((string, string?)[])[
            ("type", arguments.GetValue(_ofType)), ("schedule", arguments.GetValue(_schedule)), ("parent", arguments.GetValue(_parent)), ("error", arguments.GetValue(_error))])
        {
            body.SetGiven(name, value);
        }

        if (arguments.GetValue(_state) is { } states)
        {
            body["states"] = new JsonArray([.. states.Split(',').Select(static state => (JsonNode)state)]);
        }

        body.SetGiven("labels", Labels(arguments.GetValue(_label)));

        int changed = 0, unchanged = 0;
        string? cursor = null;
        do
        {
            string answer = await client.SendAsync(HttpMethod.Post, "jobs/bulk", body.ToJsonString(), null, cancellationToken);
            JsonElement page = JsonElement.Parse(answer);
            changed += page.Items("changed").Count();
            unchanged += page.Items("unchanged").Count();
            cursor = page.GetProperty("next_cursor").GetString();
            body["cursor"] = cursor;
            if (arguments.GetValue(_server.Json))
            {
                await output.WriteLineAsync(answer);
            }
        }
        while (cursor is not null);

        if (!arguments.GetValue(_server.Json))
        {
            string rest = unchanged == 0 ? "" : $"; {Terminal.Several(unchanged, "job")} could not be changed: others need them, or somebody was first";
            await output.WriteLineAsync($"{action}: {Terminal.Several(changed, "job")}{rest}");
        }

        return 0;
    }
}
