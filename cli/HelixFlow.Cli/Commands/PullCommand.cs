using System.CommandLine;
using System.Globalization;
using HelixFlow.Cli.Pull;
using HelixFlow.Cli.Store;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Cli.Commands;

/// <summary>helixflow pull: a Hugging Face repository or a URL into the local model store.</summary>
internal static class PullCommand
{
    private const string DefaultEndpoint = "https://huggingface.co";
    private const int MaxConnections = 32;

    public static Command Create() => Create(Environment.GetEnvironmentVariable);

    /// <param name="environment">Gives the variables HF_ENDPOINT, HF_TOKEN and those of the data folder.</param>
    internal static Command Create(Func<string, string?> environment)
    {
        Argument<string> source = new("SOURCE")
        {
            Description = "A repository (owner/name or owner/name:Q4_K_M) or the URL of a .gguf file",
        };
        Option<string?> data = Terminal.DataOption();
        Option<string?> name = new("--name") { Description = "Store the model under this name", HelpName = "NAME" };
        Option<string> revision = new("--revision") { Description = "Branch, tag or commit", DefaultValueFactory = static _ => "main" };
        Option<string?> file = new("--file")
        {
            Description = "Choose a GGUF file by its path; * and ? stand for anything",
            HelpName = "GLOB",
        };
        Option<string?> quantisation = new("--quant")
        {
            Description = "Choose a GGUF file by its quantisation, such as Q4_K_M",
            HelpName = "TYPE",
        };
        Option<string?> endpoint = new("--endpoint")
        {
            Description = $"The hub. Default: $HF_ENDPOINT, else {DefaultEndpoint}",
            HelpName = "URL",
        };
        Option<int> connections = new("--connections")
        {
            Description = "Requests at a time",
            DefaultValueFactory = static _ => 4,
            HelpName = "N",
        };
        Option<string?> sha256 = new("--sha256") { Description = "Expected digest of a single file", HelpName = "HEX" };
        Option<string?> token = new("--token") { Description = "Access token for private and gated models. Default: $HF_TOKEN" };
        Option<bool> dryRun = new("--dry-run") { Description = "Show what would be fetched and stop" };
        connections.Validators.Add(result =>
        {
            if (result.Tokens is [var given]
                && !(int.TryParse(given.Value, CultureInfo.InvariantCulture, out int count) && count is >= 1 and <= MaxConnections))
            {
                result.AddError($"--connections takes 1 to {MaxConnections}");
            }
        });
        var command = new Command("pull", "Fetch a model into the data folder; an interrupted pull resumes")
        {
            source, data, name, revision, file, quantisation, endpoint, connections, sha256, token, dryRun,
        };
        command.SetAction(async (result, stopping) =>
        {
            TextWriter error = result.InvocationConfiguration.Error;
            try
            {
                var request = new PullRequest
                {
                    Source = result.GetRequiredValue(source),
                    DataFolder = DataFolder.Resolve(result.GetValue(data), environment),
                    Name = result.GetValue(name),
                    Revision = result.GetRequiredValue(revision),
                    File = result.GetValue(file),
                    Quantisation = result.GetValue(quantisation),
                    Endpoint = EndpointOf(result.GetValue(endpoint) ?? Variable("HF_ENDPOINT", environment) ?? DefaultEndpoint),
                    Sha256 = result.GetValue(sha256),
                    Token = result.GetValue(token) ?? Variable("HF_TOKEN", environment),
                };
                var download = new DownloadOptions { Connections = result.GetValue(connections) };
                return await RunAsync(request, download, result.GetValue(dryRun), result.InvocationConfiguration.Output, stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                await error.WriteLineAsync("stopped; the same command resumes the download");
                return 130; // as shells report a program ended by Ctrl-C
            }
            catch (Exception e) when (e is PullException or StoreException or IOException or UnauthorizedAccessException)
            {
                await error.WriteLineAsync("error: " + Terminal.Printable(e.Message, maxLength: 4000));
                return 1;
            }
        });
        return command;
    }

    private static async Task<int> RunAsync(
        PullRequest request, DownloadOptions download, bool dryRun, TextWriter output, CancellationToken stopping)
    {
        var meter = new DownloadMeter();
        var retry = new RetryPolicy
        {
            Retrying = (failure, delay) => meter.Trouble = string.Create(
                CultureInfo.InvariantCulture, $"next try in {delay.TotalSeconds:0.#} s: {failure.Message}"),
        };
        using var http = new PullHttp(request.Endpoint, request.Token, retry, TimeProvider.System);
        var puller = new Puller(request, http, retry, download);
        PullPlan plan = await puller.PlanAsync(stopping);
        if (dryRun)
        {
            await output.WriteLineAsync($"{plan.Name} from {Terminal.Printable(plan.Origin, maxLength: 400)}");
            Terminal.WriteTable(output, [.. plan.Files.Select(static f => (string[])
            [
                f.SizeBytes is { } size ? Terminal.Bytes(size) : "?",
                f.Name,
                f.Hash is { } hash ? $"{hash.Kind}:{hash.Hex}" : "no digest",
            ])]);
            return 0;
        }

        if (puller.IsStored(plan))
        {
            await output.WriteLineAsync($"{plan.Name} is already stored; 'helixflow models remove {plan.Name}' first to fetch it again");
            return 0;
        }

        ModelLocation model = await new PullDisplay(output, IsTerminal(output), TimeProvider.System)
            .ShowAsync(meter, puller.RunAsync(plan, meter, stopping));
        if (plan.Files.Any(static f => f.Hash is null))
        {
            await output.WriteLineAsync("note: no digest was announced for this download, so its content is unchecked; --sha256 gives one");
        }

        await output.WriteLineAsync($"Stored {model.Name} ({Terminal.Bytes(model.SizeBytes)}) in {model.Path}");
        return Report(model, output);
    }

    /// <summary>Reads the new model's headers, so that a model this engine cannot run is known at once.</summary>
    private static int Report(ModelLocation model, TextWriter output)
    {
        try
        {
            ModelDetails details = ModelInspector.Inspect(model);
            output.WriteLine(
                $"{Terminal.Printable(details.Architecture ?? "unknown architecture")}, "
                + $"{Terminal.Count(details.Parameters)} parameters, {details.Quantisation}. "
                + $"Serve it: helixflow serve --model {model.Name}");
            return 0;
        }
        catch (ModelFormatException e)
        {
            output.WriteLine("warning: this model cannot be used: " + Terminal.Printable(e.Message, maxLength: 1000));
            return 1;
        }
    }

    private static bool IsTerminal(TextWriter output) => output == Console.Out && !Console.IsOutputRedirected;

    private static Uri EndpointOf(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https"
            ? url
            : throw new PullException($"the endpoint '{text}' is not an http or https address");

    private static string? Variable(string name, Func<string, string?> environment) =>
        environment(name) is { Length: > 0 } value ? value : null;
}
