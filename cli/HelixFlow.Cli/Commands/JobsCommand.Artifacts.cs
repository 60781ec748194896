using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Commands;

internal sealed partial class JobsCommand
{
    private Command Artifacts()
    {
        var folder = new Option<string?>("--out") { Description = "Save them into this folder", HelpName = "DIR" };
        var command = new Command("artifacts", "List the files that a job has made, or save them") { _id, folder };
        return Act(command, async (arguments, client, output, token) =>
        {
            string path = JobPath(arguments, "/artifacts");
            string answer = await client.GetAsync(path, token);
            List<JsonElement> artifacts = [.. JsonElement.Parse(answer).GetProperty("data").EnumerateArray()];
            if (arguments.GetValue(folder) is { } target)
            {
                Directory.CreateDirectory(target);
                foreach (string name in artifacts.Select(static artifact => artifact.GetProperty("name").GetString()!))
                {
                    await SaveAsync(client, $"{path}/{Uri.EscapeDataString(name)}", target, name, token);
                }
            }

            Write(arguments, output, answer, _ => Terminal.WriteTable(output, [["NAME", "BYTES", "TYPE", "HASH"], .. artifacts.Select(static artifact => (string[])
            [
                artifact.Text("name"), artifact.Number("length").ToString(CultureInfo.InvariantCulture), artifact.Text("content_type"), artifact.Text("hash"),
            ])]));
            return 0;
        });
    }

    /// <summary>Under the file's own name when it is whole, so that a download that breaks off leaves nothing that looks like it.</summary>
    private static async Task SaveAsync(JobClient client, string path, string folder, string name, CancellationToken cancellationToken)
    {
        if (Path.GetFileName(name) != name || name is "." or "..")
        {
            throw new JobClientException($"The server names a file '{name}', which is not the name of one.");
        }

        string target = Path.Combine(folder, name), part = target + ".part";
        try
        {
            await using (FileStream file = File.Create(part))
            {
                await client.DownloadAsync(path, file, cancellationToken);
            }

            File.Move(part, target, overwrite: true);
        }
        finally
        {
            File.Delete(part);
        }
    }
}
