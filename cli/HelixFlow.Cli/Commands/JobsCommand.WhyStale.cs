using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Commands;

internal sealed partial class JobsCommand
{
    private Command WhyStale()
    {
        var input = new Option<string?>("--input") { Description = "Another input, as JSON; @FILE reads it from a file", HelpName = "JSON" };
        var from = new Option<string?>("--from") { Description = "The first step to do anew, with all that was recorded after it", HelpName = "STEP" };
        var command = new Command("why-stale", "Show what would be done again if a job were, and why, without doing it") { _id, input, from };
        return Act(command, async (arguments, client, output, token) =>
        {
            var body = new JsonObject();
            if (arguments.GetValue(input) is { } text)
            {
                body["input"] = await NodeAsync(text, token);
            }

            body.SetGiven("from", arguments.GetValue(from));

            string answer = await client.SendAsync(HttpMethod.Post, JobPath(arguments, "/why-stale"), body.ToJsonString(), null, token);
            Write(arguments, output, answer, found =>
            {
                Terminal.WriteTable(output, [["STEP", "VERDICT", "WHY"], .. found.Items("steps").Select(static step => (string[])
                    [step.Text("address"), step.Text("verdict").Replace('_', ' '), Why(step)])]);
                if (found.Text("stopped") is { Length: > 0 } stopped)
                {
                    output.WriteLine(stopped);
                }
            });
            return 0;
        });
    }

    private static string Why(JsonElement step)
    {
        string detail = step.Text("detail");
        string[] on = [.. step.Items("depends_on").Select(static address => Terminal.Printable(address.GetString()!, maxLength: 60))];
        return detail.Length > 0 || on.Length == 0 ? detail : $"if the same comes from {string.Join(", ", on.Take(3))}{(on.Length > 3 ? $" and {on.Length - 3} more" : "")}";
    }
}
