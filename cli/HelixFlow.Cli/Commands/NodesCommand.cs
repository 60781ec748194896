using System.CommandLine;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using HelixFlow.Auth;
using HelixFlow.Cli.Store;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow nodes</c>: what the inference nodes of a running server are doing.</summary>
internal static class NodesCommand
{
    public static Command Create()
    {
        var url = new Option<string>("--url") { Description = "The server", DefaultValueFactory = _ => "http://127.0.0.1:8080", HelpName = "URL" };
        var key = new Option<string?>("--api-key") { Description = "Bearer key; default: HELIXFLOW_API_KEY, then the data folder's admin key", HelpName = "KEY" };
        Option<string?> data = Terminal.DataOption();
        var json = new Option<bool>("--json") { Description = "Print what the server says as JSON" };
        var command = new Command("nodes", "Show the inference nodes of a running server: phase, models, load, memory") { url, key, data, json };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            try
            {
                string bearer = arguments.GetValue(key) ?? Environment.GetEnvironmentVariable(AdminKey.EnvironmentVariable)
                    ?? AdminKey.Find(DataFolder.Resolve(arguments.GetValue(data))) ?? "";
                string answer = await AskAsync(arguments.GetValue(url)!, bearer, cancellationToken);
                if (arguments.GetValue(json))
                {
                    await arguments.InvocationConfiguration.Output.WriteLineAsync(answer);
                }
                else
                {
                    using JsonDocument document = JsonDocument.Parse(answer);
                    Write(arguments.InvocationConfiguration.Output, document.RootElement.GetProperty("nodes"));
                }

                return 0;
            }
            catch (Exception exception) when (exception is HttpRequestException or UriFormatException or JsonException or StoreException)
            {
                await Console.Error.WriteLineAsync($"{arguments.GetValue(url)}: {exception.Message}");
                return 1;
            }
        });
        return command;
    }

    private static async Task<string> AskAsync(string url, string key, CancellationToken cancellationToken)
    {
        using var client = new HttpClient { BaseAddress = new Uri(url), Timeout = TimeSpan.FromSeconds(10) };
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/nodes");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        using HttpResponseMessage response = await client.SendAsync(request, cancellationToken);
        return response.IsSuccessStatusCode
            ? await response.Content.ReadAsStringAsync(cancellationToken)
            : throw new HttpRequestException($"the server answers {(int)response.StatusCode} {response.ReasonPhrase}{(response.StatusCode == System.Net.HttpStatusCode.Unauthorized ? ": give the right key with --api-key" : "")}");
    }

    private static void Write(TextWriter output, JsonElement nodes)
    {
        var models = new List<string[]> { (string[])["NODE", "PHASE", "MODEL", "STATE", "RUNNING", "WAITING", "KV HELD", "MEMORY"] };
        var devices = new List<string[]> { (string[])["NODE", "DEVICE", "USED", "BUDGET", "NAME"] };
        foreach (JsonElement node in nodes.EnumerateArray())
        {
            string name = Text(node, "nodeId");
            string phase = Name(node, "phase", "NODE_PHASE_") + (Text(node, "reason") is { Length: > 0 } reason ? $": {reason}" : "");
            foreach (JsonElement model in node.GetProperty("models").EnumerateArray())
            {
                long total = Number(model, "kvBlocksTotal");
                models.Add(
                [
                    name,
                    phase,
                    Text(model, "name") + (model.GetProperty("pinned").GetBoolean() ? " (pinned)" : ""),
                    State(model),
                    Number(model, "running").ToString(CultureInfo.InvariantCulture),
                    Number(model, "waiting").ToString(CultureInfo.InvariantCulture),
                    total == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{100.0 * Number(model, "kvBlocksHeld") / total:F0} %"),
                    Terminal.Bytes(Number(model, "memoryBytes")),
                ]);
            }

            foreach (JsonElement device in node.GetProperty("devices").EnumerateArray())
            {
                devices.Add([name, Text(device, "id"), Terminal.Bytes(Number(device, "usedBytes")), Terminal.Bytes(Number(device, "budgetBytes")), Text(device, "name")]);
            }
        }

        Terminal.WriteTable(output, models);
        output.WriteLine();
        Terminal.WriteTable(output, devices);
    }

    private static string State(JsonElement model)
    {
        string state = Name(model, "phase", "MODEL_PHASE_");
        return state == "loading" ? string.Create(CultureInfo.InvariantCulture, $"loading {100 * model.GetProperty("progress").GetDouble():F0} %")
            : Text(model, "reason") is { Length: > 0 } reason ? $"{state}: {reason}"
            : state;
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString() ?? "";

    private static string Name(JsonElement element, string name, string prefix) => Text(element, name).Replace(prefix, "", StringComparison.Ordinal).ToLowerInvariant();

    // Protobuf's JSON writes 64-bit numbers as texts.
    private static long Number(JsonElement element, string name) => element.GetProperty(name) is { ValueKind: JsonValueKind.String } text
        ? long.Parse(text.GetString()!, CultureInfo.InvariantCulture)
        : element.GetProperty(name).GetInt64();
}
