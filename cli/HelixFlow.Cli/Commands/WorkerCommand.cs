using System.CommandLine;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Auth;
using HelixFlow.Cli.Hosting;
using HelixFlow.Cli.Store;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow worker</c>: does jobs of a server's queue in a process of its own.</summary>
internal static class WorkerCommand
{
    /// <summary>The most that --drain-seconds takes.</summary>
    public static TimeSpan LongestDrain => TimeSpan.FromHours(1);

    public static Command Create()
    {
        var url = new Option<string>("--url") { Description = "The server", DefaultValueFactory = _ => "http://127.0.0.1:8080", HelpName = "URL" };
        var key = new Option<string?>("--api-key") { Description = "Bearer key with the scope 'worker' (jobs of its project) or 'workers' (of all); default: HELIXFLOW_API_KEY, then the data folder's admin key", HelpName = "KEY" };
        Option<string?> data = Terminal.DataOption();
        var name = new Option<string?>("--name") { Description = "The worker's name, which no other one may have; default: host name and process", HelpName = "NAME" };
        var types = new Option<string[]>("--types") { Description = "Types of jobs that it does; default: all that it has", HelpName = "TYPE", AllowMultipleArgumentsPerToken = true };
        var handlers = new Option<string?>("--handlers") { Description = "Folder of manifests of programs that do jobs (docs/workers.md)", HelpName = "DIR" };
        var allowed = new Option<string[]>("--fetch-allow") { Description = "As of helixflow serve: what jobs may read although it is not public; may be repeated", HelpName = "HOST|NETWORK" };
        var closed = new Option<bool>("--no-public-fetch") { Description = "Jobs read no pages but those that --fetch-allow lists" };
        var tools = new Option<string?>("--agent-tools") { Description = "As of helixflow serve, and the same file: what tools of agents may reach", HelpName = "FILE" };
        var slots = new Option<int>("--slots") { Description = "Jobs at the same time; default: four per core", HelpName = "N" };
        var drain = new Option<int>("--drain-seconds") { Description = "How long running jobs may take to end after SIGTERM; then they are handed back and go on elsewhere", DefaultValueFactory = _ => 20, HelpName = "N" };
        Require(url, static value => Uri.TryCreate(value, UriKind.Absolute, out Uri? address) && address.Scheme is "http" or "https", "it must be http://host:port or https://host:port");
        Require(slots, static value => value is >= 1 and <= 10_000, "it must be between 1 and 10000");
        Require(drain, static value => value >= 0 && value <= LongestDrain.TotalSeconds, $"it must be between 0 and {LongestDrain.TotalSeconds}");
        var command = new Command("worker", "Do jobs of a running server's queue in this process") { url, key, data, name, types, handlers, allowed, closed, tools, slots, drain };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            try
            {
                string folder = DataFolder.Resolve(arguments.GetValue(data));
                var options = new WorkerProcessOptions
                {
                    Server = new Uri(arguments.GetRequiredValue(url)),
                    Key = arguments.GetValue(key) ?? Environment.GetEnvironmentVariable(AdminKey.EnvironmentVariable) ?? AdminKey.Find(folder)
                        ?? throw new StoreException("There is no key: pass --api-key, or set HELIXFLOW_API_KEY."),
                    Name = arguments.GetValue(name),
                    Types = arguments.GetValue(types) is { Length: > 0 } named ? named : null,
                    Handlers = arguments.GetValue(handlers),
                    Fetching = new ResearchSources { Allowed = arguments.GetValue(allowed) ?? [], IsClosed = arguments.GetValue(closed) },
                    AgentTools = arguments.GetValue(tools) is { } file ? AgentTools.Load(file) : new ToolOptions(),
                    Slots = arguments.GetResult(slots) is null ? null : arguments.GetValue(slots),
                    DrainLimit = TimeSpan.FromSeconds(arguments.GetValue(drain)),
                };
                return await WorkerProcess.RunAsync(options, cancellationToken);
            }
            catch (Exception exception) when (exception is StoreException or IOException or InvalidDataException or UnauthorizedAccessException or ArgumentException or FormatException)
            {
                await Console.Error.WriteLineAsync(exception.Message);
                return 1;
            }
        });
        return command;
    }

    private static void Require<T>(Option<T> option, Func<T, bool> holds, string rule) => option.Validators.Add(result =>
    {
        if (result.Tokens.Count == 1 && result.GetValueOrDefault<T>() is { } value && !holds(value))
        {
            result.AddError($"{option.Name}: '{value}' will not do; {rule}.");
        }
    });
}
