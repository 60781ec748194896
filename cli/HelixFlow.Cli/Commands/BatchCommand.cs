using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using HelixFlow.Auth;
using HelixFlow.Cli.Batches;
using HelixFlow.Cli.Store;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow batch</c>: hands files of requests to a running server and fetches what became of them.</summary>
/// <remarks>Exit codes: 0 done; 1 the server refused or could not be reached; 2 wrong usage; 3 the batch has no such results, or did not complete.</remarks>
internal sealed class BatchCommand
{
    private const int NotCompleted = 3;

    private static readonly TimeSpan _watchInterval = TimeSpan.FromSeconds(2);
    private static readonly string[] _final = ["completed", "failed", "expired", "cancelled"];

    private readonly Option<string> _url = new("--url") { Description = "The server", DefaultValueFactory = _ => "http://127.0.0.1:8080", HelpName = "URL" };
    private readonly Option<string?> _key = new("--api-key") { Description = "Bearer key; default: HELIXFLOW_API_KEY, then the data folder's admin key", HelpName = "KEY" };
    private readonly Option<string?> _data = Terminal.DataOption();
    private readonly Option<bool> _json = new("--json") { Description = "Print what the server says as JSON" };
    private readonly Argument<string> _id = new("ID") { Description = "The batch's id" };

    /// <summary>The command with its subcommands.</summary>
    public static Command Create()
    {
        var batch = new BatchCommand();
        return new Command("batch", "Run files of requests on a running server, at the lowest priority") { batch.Submit(), batch.Status(), batch.Cancel(), batch.Results() };
    }

    private Command Submit()
    {
        var file = new Argument<string>("FILE") { Description = "One request a line, as OpenAI's batches have it (docs/batches.md)" };
        var endpoint = new Option<string>("--endpoint") { Description = "Where the requests go", DefaultValueFactory = _ => "/v1/chat/completions", HelpName = "PATH" };
        var window = new Option<string>("--window") { Description = "When the batch must have ended", DefaultValueFactory = _ => "24h", HelpName = "24h" };
        var watch = new Option<bool>("--watch") { Description = "Wait for its end" };
        var command = new Command("submit", "Upload a file and begin a batch; prints its id") { file, endpoint, window, watch, _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, async (client, output) =>
        {
            string input = await client.UploadAsync(arguments.GetRequiredValue(file), token);
            string answer = await client.CreateAsync(input, arguments.GetValue(endpoint)!, arguments.GetValue(window)!, token);
            if (arguments.GetValue(watch))
            {
                return await FollowAsync(arguments, client, output, JsonElement.Parse(answer).GetProperty("id").GetString()!, token);
            }

            await output.WriteLineAsync(arguments.GetValue(_json) ? answer : JsonElement.Parse(answer).GetProperty("id").GetString());
            return 0;
        }, token));
        return command;
    }

    private Command Status()
    {
        var watch = new Option<bool>("--watch") { Description = "Wait for its end" };
        var command = new Command("status", "Show how far a batch is") { _id, watch, _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, async (client, output) =>
        {
            if (arguments.GetValue(watch))
            {
                return await FollowAsync(arguments, client, output, arguments.GetRequiredValue(_id), token);
            }

            await ShowAsync(arguments, output, await client.GetAsync(arguments.GetRequiredValue(_id), token));
            return 0;
        }, token));
        return command;
    }

    private Command Cancel()
    {
        var command = new Command("cancel", "Cancel a batch; what is done stays done") { _id, _url, _key, _data, _json };
        command.SetAction((arguments, token) => GuardAsync(arguments, async (client, output) =>
        {
            await ShowAsync(arguments, output, await client.CancelAsync(arguments.GetRequiredValue(_id), token));
            return 0;
        }, token));
        return command;
    }

    private Command Results()
    {
        var errors = new Option<bool>("--errors") { Description = "The requests that failed, in place of those that succeeded" };
        var file = new Option<string?>("--output", "-o") { Description = "Write to a file; default: standard output", HelpName = "FILE" };
        var command = new Command("results", "Fetch the results of a batch that has ended, one line a request") { _id, errors, file, _url, _key, _data };
        command.SetAction((arguments, token) => GuardAsync(arguments, async (client, output) =>
        {
            JsonElement batch = JsonElement.Parse(await client.GetAsync(arguments.GetRequiredValue(_id), token));
            string field = arguments.GetValue(errors) ? "error_file_id" : "output_file_id";
            if (!batch.TryGetProperty(field, out JsonElement id) || id.GetString() is not { } name)
            {
                await arguments.InvocationConfiguration.Error.WriteLineAsync($"The batch is {Text(batch, "status")} and has no such results.");
                return NotCompleted;
            }

            using var content = new MemoryStream();
            await using Stream target = arguments.GetValue(file) is { } path ? new FileStream(path, FileMode.Create) : content;
            await client.DownloadAsync(name, target, token);
            await output.WriteAsync(System.Text.Encoding.UTF8.GetString(content.GetBuffer(), 0, (int)content.Length));
            return 0;
        }, token));
        return command;
    }

    private async Task<int> FollowAsync(ParseResult arguments, BatchClient client, TextWriter output, string id, CancellationToken cancellationToken)
    {
        string last = "";
        while (true)
        {
            string answer = await client.GetAsync(id, cancellationToken);
            JsonElement batch = JsonElement.Parse(answer);
            if (!arguments.GetValue(_json) && Line(batch) is var line && line != last)
            {
                await output.WriteLineAsync(last = line);
            }

            if (_final.Contains(Text(batch, "status")))
            {
                if (arguments.GetValue(_json))
                {
                    await output.WriteLineAsync(answer);
                }

                return Text(batch, "status") == "completed" ? 0 : NotCompleted;
            }

            await Task.Delay(_watchInterval, TimeProvider.System, cancellationToken);
        }
    }

    private async Task ShowAsync(ParseResult arguments, TextWriter output, string answer) =>
        await output.WriteLineAsync(arguments.GetValue(_json) ? answer : Line(JsonElement.Parse(answer)));

    private async Task<int> GuardAsync(ParseResult arguments, Func<BatchClient, TextWriter, Task<int>> action, CancellationToken cancellationToken)
    {
        TextWriter error = arguments.InvocationConfiguration.Error;
        try
        {
            string bearer = arguments.GetValue(_key) ?? Environment.GetEnvironmentVariable(AdminKey.EnvironmentVariable) ?? AdminKey.Find(DataFolder.Resolve(arguments.GetValue(_data))) ?? "";
            using var client = new BatchClient(new Uri(arguments.GetValue(_url)!), bearer);
            return await action(client, arguments.InvocationConfiguration.Output);
        }
        catch (Exception exception) when (exception is BatchClientException or UriFormatException or StoreException or IOException or UnauthorizedAccessException)
        {
            await error.WriteLineAsync(Terminal.Printable(exception.Message, maxLength: 1000));
            return 1;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return 1; // the batch goes on
        }
    }

    private static string Line(JsonElement batch)
    {
        JsonElement counts = batch.GetProperty("request_counts");
        string errors = batch.TryGetProperty("errors", out JsonElement found) && found.ValueKind == JsonValueKind.Object && found.GetProperty("data") is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() > 0
            ? $": {Text(list[0], "message")}"
            : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Text(batch, "status")}, {counts.GetProperty("completed").GetInt64()} of {counts.GetProperty("total").GetInt64()} done, {counts.GetProperty("failed").GetInt64()} failed{errors}");
    }

    private static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? Terminal.Printable(value.GetString()!, maxLength: 200) : "";
}
