using System.Text.Json;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.JobTypes.Agents;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Runs;
using Microsoft.Extensions.DependencyInjection;

namespace HelixFlow.Cli.Hosting;

/// <summary>Registers the job type <c>agent</c>, with what the operator's file allows its tools.</summary>
internal static class AgentTools
{
    /// <summary>Registers it. The fetcher that job types share is registered already.</summary>
    /// <param name="services">The host's services.</param>
    /// <param name="rules">The operator's file.</param>
    /// <param name="fetching">What jobs of this process may read besides.</param>
    public static void AddAgentTools(this IServiceCollection services, ToolOptions rules, ResearchSources fetching)
    {
        ToolOptions tools = rules with { Allowed = [.. rules.Allowed, .. fetching.Allowed], Ports = fetching.IsClosed ? [] : rules.Ports };
        services.AddSingleton(provider => new ToolHost(tools, provider.GetRequiredService<WebFetcher>(), provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<IJobType, AgentJob>();
    }

    /// <summary>Reads the operator's file.</summary>
    /// <exception cref="FormatException">It is no JSON, has a field that there is not, or allows what is no host or network.</exception>
    public static ToolOptions Load(string path)
    {
        try
        {
            ToolOptions options = JsonSerializer.Deserialize(File.ReadAllText(path), ToolOptionsJson.Default.ToolOptions) ?? new ToolOptions();
            _ = AddressRules.Parse(options.Allowed, []);
            return options;
        }
        catch (Exception exception) when (exception is JsonException or FormatException)
        {
            throw new FormatException($"--agent-tools: {path}: {exception.Message}", exception);
        }
    }
}
