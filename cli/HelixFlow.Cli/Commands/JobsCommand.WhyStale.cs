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
        var command = new Command("why-stale", "Show what would be done again if a job were, and why, without doing it") { _id, input, from, _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, async (client, output) =>
        {
            var body = new JsonObject();
            if (arguments.GetValue(input) is { } text)
            {
                body["input"] = JsonNode.Parse(await JobServerOptions.ContentAsync(text, token));
            }

            if (arguments.GetValue(from) is { } step)
            {
                body["from"] = step;
            }

            string answer = await client.SendAsync(HttpMethod.Post, $"jobs/{Uri.EscapeDataString(arguments.GetRequiredValue(_id))}/why-stale", body.ToJsonString(), null, token);
            if (arguments.GetValue(_json))
            {
                await output.WriteLineAsync(answer);
                return 0;
            }

            JsonElement found = JsonElement.Parse(answer);
            List<string[]> rows = [["STEP", "VERDICT", "WHY"]];
            rows.AddRange(found.GetProperty("steps").EnumerateArray().Select(static step => (string[])
                [Text(step, "address"), Text(step, "verdict").Replace('_', ' '), Why(step)]));
            Terminal.WriteTable(output, rows);
            if (Text(found, "stopped") is { Length: > 0 } stopped)
            {
                await output.WriteLineAsync(stopped);
            }

            return 0;
        }, token));
        return command;
    }

    private static string Why(JsonElement step)
    {
        string detail = Text(step, "detail");
        string[] on = [.. step.GetProperty("depends_on").EnumerateArray().Select(static address => Terminal.Printable(address.GetString()!, maxLength: 60))];
        return detail.Length > 0 || on.Length == 0 ? detail : $"if the same comes from {string.Join(", ", on.Take(3))}{(on.Length > 3 ? $" and {on.Length - 3} more" : "")}";
    }
}
