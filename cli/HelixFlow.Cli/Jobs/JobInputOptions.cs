using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace HelixFlow.Cli.Jobs;

/// <summary>The options that say what a job works on: its input as a whole, or fields of it.</summary>
internal sealed class JobInputOptions
{
    private static readonly Dictionary<string, string> _contentTypes = new(StringComparer.OrdinalIgnoreCase)
    {
        [".csv"] = "text/csv", [".json"] = "application/json", [".jsonl"] = "application/jsonl", [".txt"] = "text/plain", [".md"] = "text/markdown", [".html"] = "text/html",
    };

    private readonly Option<string?> _input = new("--input") { Description = "The input as JSON; @FILE reads it from a file, @- from standard input", HelpName = "JSON" };
    private readonly Option<string[]> _set = new("--set") { Description = "Sets a field of the input, to JSON where it is JSON and to a text otherwise; may be repeated", HelpName = "FIELD=VALUE" };
    private readonly Option<string?> _text = new("--text-file") { Description = "Sets the input's 'text' to a file's content; - is standard input", HelpName = "FILE" };
    private readonly Option<string?> _table = new("--data-file") { Description = "Sets the input's 'data' to a file's content; - is standard input", HelpName = "FILE" };
    private readonly Option<string[]> _file = new("--artifact") { Description = "Brings a file and sets a field of the input to it; may be repeated", HelpName = "FIELD=FILE" };
    private readonly Option<string?> _question = new("--question") { Description = "Sets the input's 'question'", HelpName = "TEXT" };
    private readonly Option<string?> _goal = new("--goal") { Description = "Sets the input's 'goal'", HelpName = "TEXT" };
    private readonly Option<string?> _topic = new("--topic") { Description = "Sets the input's 'topic'", HelpName = "TEXT" };
    private readonly Option<string[]> _tool = new("--tool") { Description = "Gives an agent a built-in tool: calculator, current_time, json_query, search_documents, http_fetch; may be repeated", HelpName = "NAME" };
    private readonly Option<string[]> _address = new("--source-url") { Description = "Adds to the input's 'urls'; may be repeated", HelpName = "URL" };

    /// <summary>Gives a command these options.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_input, _set, _text, _table, _file, _question, _goal, _topic, _tool, _address])
        {
            command.Add(option);
        }
    }

    /// <summary>The input that the options make; files are brought to the server.</summary>
    /// <exception cref="JobClientException">The options contradict one another, or a file could not be brought.</exception>
    /// <exception cref="JsonException">The input is no JSON.</exception>
    public async Task<JsonNode?> ReadAsync(ParseResult arguments, JobClient client, CancellationToken cancellationToken)
    {
        JsonNode? input = JsonNode.Parse(await JobServerOptions.ContentAsync(arguments.GetValue(_input) ?? "{}", cancellationToken));
        var fields = new JsonObject();
        await SetContentAsync(fields, "text", arguments.GetValue(_text), cancellationToken);
        await SetContentAsync(fields, "data", arguments.GetValue(_table), cancellationToken);
        await BringAsync(client, fields, arguments.GetValue(_file) ?? [], cancellationToken);
        foreach ((string field, string? words) in ((string, string?)[])[("question", arguments.GetValue(_question)), ("goal", arguments.GetValue(_goal)), ("topic", arguments.GetValue(_topic))])
        {
            if (words is not null)
            {
                fields[field] = words;
            }
        }

        if (arguments.GetValue(_tool) is { Length: > 0 } tools)
        {
            fields["tools"] = new JsonArray([.. tools.Select(static one => new JsonObject { ["type"] = "builtin", ["name"] = one })]);
        }

        if (arguments.GetValue(_address) is { Length: > 0 } addresses)
        {
            fields["urls"] = new JsonArray([.. addresses.Select(static one => (JsonNode)one)]);
        }

        foreach (string text in arguments.GetValue(_set) ?? [])
        {
            (string field, string value) = Parts("--set", text, "a value");
            fields[field] = Value(value);
        }

        return fields.Count == 0 ? input : Merged(input, fields);
    }

    private static JsonObject Merged(JsonNode? input, JsonObject fields)
    {
        JsonObject all = input as JsonObject ?? throw new JobClientException($"--input is no JSON object, so that '{fields.First().Key}' cannot be set in it.");
        foreach ((string field, JsonNode? value) in fields.ToList())
        {
            fields.Remove(field);
            all[field] = value;
        }

        return all;
    }

    private static JsonNode? Value(string text)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return text;
        }
    }

    private static (string Field, string Value) Parts(string option, string text, string what) => text.Split('=', 2) is [{ Length: > 0 } field, { Length: > 0 } value]
        ? (field, value)
        : throw new JobClientException($"{option}: '{text}' will not do; it must be a field's name, '=' and {what}.");

    private static async Task SetContentAsync(JsonObject fields, string name, string? file, CancellationToken cancellationToken)
    {
        if (file is not null)
        {
            fields[name] = await JobServerOptions.ContentAsync("@" + file, cancellationToken);
        }
    }

    /// <summary>Brings files, and names them in the input.</summary>
    private static async Task BringAsync(JobClient client, JsonObject input, string[] files, CancellationToken cancellationToken)
    {
        foreach (string text in files)
        {
            (string field, string path) = Parts("--artifact", text, "a file");
            await using FileStream file = File.OpenRead(path);
            string answer = await client.UploadAsync(file, _contentTypes.GetValueOrDefault(Path.GetExtension(path), "application/octet-stream"), cancellationToken);
            input[field] = new JsonObject { ["artifact"] = JsonElement.Parse(answer).GetProperty("hash").GetString() };
        }
    }
}
