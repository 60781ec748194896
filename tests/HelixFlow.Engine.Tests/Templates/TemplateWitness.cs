using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace HelixFlow.Engine.Tests.Templates;

/// <summary>Another implementation of Jinja that renders many templates in one process.</summary>
internal static class TemplateWitness
{
    private static readonly string Folder = Path.Combine(FindRoot(), "tests", "interop");

    /// <summary>Small templates at the edges of the language, from tests/interop/templates/edges.txt.</summary>
    public static string[] Edges() => [.. File.ReadAllLines(Path.Combine(Folder, "templates", "edges.txt"))
        .Where(line => line.Length > 0 && !line.StartsWith("# ", StringComparison.Ordinal)).Select(line => line.Replace('⏎', '\n'))];

    /// <summary>Python's jinja2, as transformers sets it up: where implementations differ, it is right.</summary>
    public static async Task<IReadOnlyList<string?>> PythonAsync(IReadOnlyList<(string Template, JsonObject Variables)> cases)
    {
        string? python = Array.Find(["/usr/bin/python3", "python3"], HasJinja);
        Assert.SkipUnless(python is not null, "install Debian's python3-jinja2");
        return await RunAsync(python!, "templates/render.py", cases);
    }

    /// <summary>@huggingface/jinja.</summary>
    public static async Task<IReadOnlyList<string?>> JavaScriptAsync(IReadOnlyList<(string Template, JsonObject Variables)> cases)
    {
        Assert.SkipUnless(Directory.Exists(Path.Combine(Folder, "node_modules/@huggingface/jinja")), "run 'npm ci --ignore-scripts' in tests/interop");
        return await RunAsync("node", "templates/render.mjs", cases);
    }

    private static async Task<IReadOnlyList<string?>> RunAsync(string program, string script, IReadOnlyList<(string Template, JsonObject Variables)> cases)
    {
        using var process = Process.Start(new ProcessStartInfo(program, [script])
        {
            WorkingDirectory = Folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        Task writing = Task.Run(async () =>
        {
            foreach ((string template, JsonObject variables) in cases)
            {
                await process.StandardInput.WriteLineAsync(new JsonObject { ["template"] = template, ["variables"] = variables.DeepClone() }.ToJsonString());
            }

            process.StandardInput.Close();
        });
        var results = new List<string?>();
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            results.Add((string?)JsonNode.Parse(line)!["output"]);
        }

        await writing;
        await process.WaitForExitAsync();
        Assert.Equal(cases.Count, results.Count);
        return results;
    }

    private static bool HasJinja(string python)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(python, ["-c", "import jinja2"]) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "HelixFlow.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("HelixFlow.sln was not found above the test's folder");
    }
}
