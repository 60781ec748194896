using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Commands;

internal sealed partial class JobsCommand
{
    private readonly Argument<string?> _address = new("ADDRESS") { Description = "Where the job asks; not needed when it asks one thing", Arity = ArgumentArity.ZeroOrOne };

    private Command Approvals()
    {
        var command = new Command("approvals", "Show what a job asks before it goes on") { _id, _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, async (client, output) =>
        {
            string answer = await client.GetAsync(ApprovalsOf(arguments), token);
            if (arguments.GetValue(_json))
            {
                await output.WriteLineAsync(answer);
                return 0;
            }

            List<string[]> rows = [["ADDRESS", "STATE", "EXPIRES", "TOOL", "ARGUMENTS"]];
            rows.AddRange(JsonElement.Parse(answer).GetProperty("data").EnumerateArray().Select(static approval => (string[])
            [
                Text(approval, "address"), Text(approval, "state"), Text(approval, "expires_at"), Text(approval.GetProperty("question"), "tool"),
                Terminal.Printable(approval.GetProperty("question").TryGetProperty("arguments", out JsonElement given) ? given.GetRawText() : "", maxLength: 200),
            ]));
            Terminal.WriteTable(output, rows);
            return 0;
        }, token));
        return command;
    }

    private Command Approve()
    {
        var edited = new Option<string?>("--arguments") { Description = "Other arguments for the call, as JSON; @FILE reads them from a file", HelpName = "JSON" };
        var command = new Command("approve", "Approve what a job asks for") { _id, _address, edited, _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, async (client, output) =>
        {
            var decision = new JsonObject { ["decision"] = "approve" };
            if (arguments.GetValue(edited) is { } text)
            {
                decision["arguments"] = JsonNode.Parse(await JobServerOptions.ContentAsync(text, token));
            }

            return await DecideAsync(arguments, client, output, decision, token);
        }, token));
        return command;
    }

    private Command Reject()
    {
        var reason = new Option<string?>("--reason") { Description = "Why; the model is told", HelpName = "TEXT" };
        var command = new Command("reject", "Reject what a job asks for") { _id, _address, reason, _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, (client, output) =>
        {
            var decision = new JsonObject { ["decision"] = "reject" };
            if (arguments.GetValue(reason) is { } text)
            {
                decision["reason"] = text;
            }

            return DecideAsync(arguments, client, output, decision, token);
        }, token));
        return command;
    }

    private async Task<int> DecideAsync(ParseResult arguments, JobClient client, TextWriter output, JsonObject decision, CancellationToken cancellationToken)
    {
        string[] pending = [.. JsonElement.Parse(await client.GetAsync(ApprovalsOf(arguments), cancellationToken)).GetProperty("data").EnumerateArray()
            .Where(static approval => Text(approval, "state") == "pending").Select(static approval => Text(approval, "address"))];
        decision["address"] = arguments.GetValue(_address) ?? pending switch
        {
            [var only] => only,
            [] => throw new JobClientException("The job asks nothing at the moment."),
            _ => throw new JobClientException($"The job asks several things: name one of {string.Join(", ", pending)}."),
        };
        string answer = await client.SendAsync(HttpMethod.Post, ApprovalsOf(arguments), decision.ToJsonString(), null, cancellationToken);
        await output.WriteLineAsync(arguments.GetValue(_json) ? answer : Text(JsonElement.Parse(answer), "state"));
        return 0;
    }

    private string ApprovalsOf(ParseResult arguments) => $"jobs/{Uri.EscapeDataString(arguments.GetRequiredValue(_id))}/approvals";
}
