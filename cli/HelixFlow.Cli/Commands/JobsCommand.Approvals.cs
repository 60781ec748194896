using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Commands;

internal sealed partial class JobsCommand
{
    private const string Asked = "/approvals";

    private readonly Argument<string?> _address = new("ADDRESS") { Description = "Where the job asks; not needed when it asks one thing", Arity = ArgumentArity.ZeroOrOne };

    private Command Approvals()
    {
        var command = new Command("approvals", "Show what a job asks before it goes on") { _id };
        return Act(command, async (arguments, client, output, token) =>
        {
            string answer = await client.GetAsync(JobPath(arguments, Asked), token);
            string[] head = ["ADDRESS", "STATE", "EXPIRES", "TOOL", "ARGUMENTS"];
            Write(arguments, output, answer, approvals => Terminal.WriteTable(output, [head, .. approvals.Items("data").Select(static approval => (string[])
            [
                approval.Text("address"), approval.Text("state"), approval.Text("expires_at"), approval.GetProperty("question").Text("tool"),
                Terminal.Printable(approval.GetProperty("question").Given("arguments")?.GetRawText() ?? "", maxLength: 200),
            ])]));
            return 0;
        });
    }

    private Command Approve()
    {
        var edited = new Option<string?>("--arguments") { Description = "Other arguments for the call, as JSON; @FILE reads them from a file", HelpName = "JSON" };
        var command = new Command("approve", "Approve what a job asks for") { _id, _address, edited };
        return Act(command, async (arguments, client, output, token) =>
        {
            var decision = new JsonObject { ["decision"] = "approve" };
            if (arguments.GetValue(edited) is { } text)
            {
                decision["arguments"] = await NodeAsync(text, token);
            }

            return await AnswerAsync(arguments, client, output, decision, token);
        });
    }

    private Command Reject()
    {
        var reason = new Option<string?>("--reason") { Description = "Why; the model is told", HelpName = "TEXT" };
        var command = new Command("reject", "Reject what a job asks for") { _id, _address, reason };
        return Act(command, (arguments, client, output, token) =>
        {
            var decision = new JsonObject { ["decision"] = "reject" };
            if (arguments.GetValue(reason) is { } text)
            {
                decision["reason"] = text;
            }

            return AnswerAsync(arguments, client, output, decision, token);
        });
    }

    private async Task<int> AnswerAsync(ParseResult arguments, JobClient client, TextWriter output, JsonObject decision, CancellationToken cancellationToken)
    {
        string[] pending = [.. JsonElement.Parse(await client.GetAsync(JobPath(arguments, Asked), cancellationToken)).Items("data")
            .Where(static approval => approval.Text("state") == "pending").Select(static approval => approval.Text("address", longest: 1000))];
        decision["address"] = arguments.GetValue(_address) ?? pending switch
        {
            [var only] => only,
            [] => throw new JobClientException("The job asks nothing at the moment."),
            _ => throw new JobClientException($"The job asks several things: name one of {string.Join(", ", pending)}."),
        };
        string answer = await client.SendAsync(HttpMethod.Post, JobPath(arguments, Asked), decision.ToJsonString(), null, cancellationToken);
        Write(arguments, output, answer, job => output.WriteLine(job.Text("state")));
        return 0;
    }
}
