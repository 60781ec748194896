using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Commands;

internal sealed partial class JobsCommand
{
    private static readonly Dictionary<string, string> _contentTypes = new(StringComparer.OrdinalIgnoreCase)
    {
        [".csv"] = "text/csv", [".json"] = "application/json", [".jsonl"] = "application/jsonl", [".txt"] = "text/plain", [".md"] = "text/markdown", [".html"] = "text/html",
    };

    private Command Artifacts()
    {
        var folder = new Option<string?>("--out") { Description = "Save them into this folder", HelpName = "DIR" };
        var command = new Command("artifacts", "List the files that a job has made, or save them") { _id, folder, _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, async (client, output) =>
        {
            string path = $"jobs/{Uri.EscapeDataString(arguments.GetRequiredValue(_id))}/artifacts";
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

            if (arguments.GetValue(_json))
            {
                await output.WriteLineAsync(answer);
                return 0;
            }

            List<string[]> rows = [["NAME", "BYTES", "TYPE", "HASH"]];
            rows.AddRange(artifacts.Select(static artifact => (string[])
            [
                Text(artifact, "name"), artifact.GetProperty("length").GetInt64().ToString(CultureInfo.InvariantCulture), Text(artifact, "content_type"), Text(artifact, "hash"),
            ]));
            Terminal.WriteTable(output, rows);
            return 0;
        }, token));
        return command;
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

    /// <summary>Brings files, and names them in the input.</summary>
    private static async Task BringAsync(JobClient client, JsonObject input, string[] files, CancellationToken cancellationToken)
    {
        foreach (string text in files)
        {
            if (text.Split('=', 2) is not [{ Length: > 0 } field, { Length: > 0 } path])
            {
                throw new JobClientException($"--artifact: '{text}' will not do; it must be a field's name, '=' and a file.");
            }

            await using FileStream file = File.OpenRead(path);
            string answer = await client.UploadAsync(file, _contentTypes.GetValueOrDefault(Path.GetExtension(path), "application/octet-stream"), cancellationToken);
            input[field] = new JsonObject { ["artifact"] = JsonElement.Parse(answer).GetProperty("hash").GetString() };
        }
    }
}
