using System.CommandLine;
using System.Globalization;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Commands;

internal sealed partial class JobsCommand
{
    private Command Collect()
    {
        var dry = new Option<bool>("--dry-run") { Description = "Only say how much that is" };
        var command = new Command("gc", "Delete jobs whose time is up, of all projects, and files and values that nothing refers to") { dry };
        return Act(command, async (arguments, client, output, token) =>
        {
            string answer = await client.SendAsync(HttpMethod.Post, "collections", arguments.GetValue(dry) ? """{"dry_run":true}""" : "{}", null, token);
            Write(arguments, output, answer, found => output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{(arguments.GetValue(dry) ? "would delete" : "deleted")} {found.Number("runs")} jobs and {found.Number("values")} values of {found.Number("bytes")} bytes")));
            return 0;
        });
    }
}
