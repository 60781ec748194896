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

    private readonly Argument<string> _id = new("ID") { Description = "The job's id" };
    private readonly JobServerOptions _server = new("Print what the server says as JSON; with watch, one event per line");

    /// <summary>The command with its subcommands.</summary>
    public static Command Create()
    {
        var jobs = new JobsCommand();
        return new Command("jobs", "Submit jobs to a running server, follow and steer them")
        {
            jobs.Submit(), jobs.Watch(), jobs.List(), jobs.Show(), jobs.Retry(), jobs.Cancel(), jobs.Delete(), jobs.Fork(), jobs.WhyStale(), jobs.Signal(), jobs.Decide(),
            jobs.Approvals(), jobs.Approve(), jobs.Reject(), jobs.Artifacts(), jobs.Types(), jobs.Turn("pause", "Keep workers from taking jobs of a type; those under way go on"), jobs.Turn("resume", "Let workers take jobs of a type again"), jobs.Workers(), jobs.Collect(),
        };
    }

    private Command Types()
    {
        var command = new Command("types", "List the types of jobs that the server knows");
        return Act(command, async (arguments, client, output, token) =>
        {
            string answer = await client.GetAsync("job-types", token);
            Write(arguments, output, answer, types => Terminal.WriteTable(output, [["TYPE", "STATE", "INPUT", "DESCRIPTION"], .. types.Items("data").Select(static type => (string[])
            [
                type.Text("name"), type.Given("paused_at") is null ? "" : "paused",
                type.Given("input_schema")?.Given("properties") is { } fields ? string.Join(", ", fields.EnumerateObject().Select(static field => Terminal.Printable(field.Name))) : "any",
                type.Text("description"),
            ])]));
            return 0;
        });
    }

    private Command Turn(string action, string description)
    {
        var type = new Argument<string>("TYPE") { Description = "The type's name" };
        return Act(new Command(action, description) { type }, async (arguments, client, output, token) =>
        {
            string answer = await client.SendAsync(HttpMethod.Post, $"job-types/{Uri.EscapeDataString(arguments.GetRequiredValue(type))}/{action}", null, null, token);
            Write(arguments, output, answer, now => output.WriteLine(now.Given("paused_at") is null ? "active" : "paused"));
            return 0;
        });
    }

    private Command Workers()
    {
        var command = new Command("workers", "List who works, and on which of the project's jobs");
        return Act(command, async (arguments, client, output, token) =>
        {
            string answer = await client.GetAsync("workers", token);
            Write(arguments, output, answer, workers => Terminal.WriteTable(output, [["WORKER", "SLOTS", "TYPES", "SEEN", "JOBS"], .. workers.Items("data").Select(static worker => (string[])
            [
                worker.Text("worker"), worker.Given("slots") is null ? "" : worker.Number("slots").ToString(CultureInfo.InvariantCulture), string.Join(", ", worker.Items("types")),
                worker.Clock("last_seen_at"), string.Join(", ", worker.Items("jobs").Select(static job => job.Text("id"))),
            ])]));
            return 0;
        });
    }

    /// <summary>Makes a command talk to the server.</summary>
    private Command Act(Command command, Func<ParseResult, JobClient, TextWriter, CancellationToken, Task<int>> action)
    {
        _server.AddTo(command);
        command.SetAction((arguments, token) => _server.CallAsync(arguments, (client, output) => action(arguments, client, output, token), token));
        return command;
    }

    /// <summary>Writes an answer as it came when JSON is wanted, otherwise for people.</summary>
    private void Write(ParseResult arguments, TextWriter output, string answer, Action<JsonElement> write)
    {
        if (arguments.GetValue(_server.Json))
        {
            output.WriteLine(answer);
        }
        else
        {
            write(JsonElement.Parse(answer));
        }
    }

    private string JobPath(ParseResult arguments, string more = "") => $"jobs/{Uri.EscapeDataString(arguments.GetRequiredValue(_id))}{more}";

    private static async Task<JsonNode?> NodeAsync(string text, CancellationToken cancellationToken) => JsonNode.Parse(await JobServerOptions.ContentAsync(text, cancellationToken));
}
