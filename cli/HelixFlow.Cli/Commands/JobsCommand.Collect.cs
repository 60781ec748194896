using System.CommandLine;
using System.Globalization;
using System.Text.Json;

namespace HelixFlow.Cli.Commands;

internal sealed partial class JobsCommand
{
    private Command Collect()
    {
        var dry = new Option<bool>("--dry-run") { Description = "Only say how much that is" };
        var command = new Command("gc", "Delete jobs whose time is up, of all projects, and files and values that nothing refers to") { dry, _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, async (client, output) =>
        {
            string answer = await client.SendAsync(HttpMethod.Post, "collections", arguments.GetValue(dry) ? """{"dry_run":true}""" : "{}", null, token);
            JsonElement found = JsonElement.Parse(answer);
            await output.WriteLineAsync(arguments.GetValue(_json) ? answer : string.Create(
                CultureInfo.InvariantCulture,
                $"{(arguments.GetValue(dry) ? "would delete" : "deleted")} {Number(found, "runs")} jobs and {Number(found, "values")} values of {Number(found, "bytes")} bytes"));
            return 0;
        }, token));
        return command;
    }

    private static long Number(JsonElement element, string name) => element.GetProperty(name).GetInt64();
}
