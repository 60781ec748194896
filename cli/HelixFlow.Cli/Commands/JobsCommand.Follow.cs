using System.CommandLine;
using System.Text.Json;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Commands;

internal sealed partial class JobsCommand
{
    private const int MostFollowed = 50;

    private Command Watch()
    {
        var ids = new Argument<string[]>("ID") { Description = "The jobs' ids; without any, all jobs of the project that have not ended", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("watch", "Follow jobs to their ends; of one job, print its result") { ids };
        return Act(command, async (arguments, client, output, token) =>
        {
            string[] wanted = arguments.GetValue(ids) ?? [];
            if (wanted.Length == 0)
            {
                string open = await client.GetAsync($"jobs?state=waiting,ready,running,parked&limit={MostFollowed}", token);
                wanted = [.. JsonElement.Parse(open).Items("data").Select(static job => job.Text("id")).Reverse()];
            }

            return await FollowAsync(arguments, client, output, wanted, token);
        });
    }

    /// <summary>Follows jobs; the exit code is that of the worst end.</summary>
    private async Task<int> FollowAsync(ParseResult arguments, JobClient client, TextWriter output, IReadOnlyList<string> ids, CancellationToken cancellationToken)
    {
        bool isTerminal = ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected, json = arguments.GetValue(_server.Json);
        string[] ends = await new JobDisplay(client, output, isTerminal, json, TimeProvider.System).ShowAsync(ids, cancellationToken);
        if (ids is [var only] && ends[0] == "succeeded")
        {
            await WriteResultAsync(client, output, only, json, cancellationToken);
        }

        foreach (string dead in ids.Where((_, i) => ends[i] == "died"))
        {
            await arguments.InvocationConfiguration.Error.WriteLineAsync($"{dead} has failed: 'helixflow jobs show {dead}' shows its steps, 'helixflow jobs retry {dead}' tries it again.");
        }

        return Array.TrueForAll(ends, static end => end == "succeeded") ? 0 : Array.TrueForAll(ends, static end => end is "succeeded" or "cancelled") ? WasCancelled : Failed;
    }

    private static async Task WriteResultAsync(JobClient client, TextWriter output, string id, bool json, CancellationToken cancellationToken)
    {
        string result = await client.GetAsync($"jobs/{Uri.EscapeDataString(id)}/result", cancellationToken);
        if (json)
        {
            await output.WriteLineAsync(result);
        }
        else
        {
            JobResult.Write(output, JsonElement.Parse(result));
        }
    }
}
