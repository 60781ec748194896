using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.JobTypes;
using HelixFlow.Agents.JobTypes.Research;
using HelixFlow.Agents.Runs;
using HelixFlow.Agents.Searching;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using Microsoft.Extensions.DependencyInjection;

namespace HelixFlow.Cli.Hosting;

/// <summary>What research jobs may search and read.</summary>
internal sealed record ResearchSources
{
    /// <summary>A folder of texts; null for none.</summary>
    public string? Folder { get; init; }

    /// <summary>Where a SearXNG server is; null for none.</summary>
    public Uri? Searxng { get; init; }

    /// <summary>An OpenSearch template, or where a description is; null for none.</summary>
    public string? OpenSearch { get; init; }

    /// <summary>Hosts and networks that jobs may read although they are not public, as <see cref="AddressRules.Parse"/> takes them.</summary>
    public IReadOnlyList<string> Allowed { get; init; } = [];

    /// <summary>Whether jobs may read nothing but <see cref="Allowed"/>.</summary>
    public bool IsClosed { get; init; }
}

/// <summary>Registers the job type <c>research</c>.</summary>
internal static class ResearchRegistration
{
    /// <summary>Registers it with the searches that are configured, and the fetcher that job types share.</summary>
    public static void AddResearch(this IServiceCollection services, ServerOptions options)
    {
        ResearchSources sources = options.Research;
        FetchOptions fetch = services.AddFetching(sources);
        if (sources.Folder is { } folder)
        {
            if (!Directory.Exists(folder))
            {
                throw new DirectoryNotFoundException($"--research-folder: there is no folder {Path.GetFullPath(folder)}.");
            }

            services.AddSingleton(_ => new ResearchDatabase(SqliteDatabase.Open(
                Path.Combine(options.DataFolder, "research.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/research"))));
            services.AddSingleton<ISearchProvider>(provider => new FolderSearch(
                provider.GetRequiredService<ResearchDatabase>().Database, new FolderOptions { Folder = folder }, provider.GetRequiredService<TimeProvider>()));
        }

        if (sources.Searxng is { } searxng)
        {
            services.AddSingleton<ISearchProvider>(provider => new SearxngSearch(searxng, fetch, provider.GetRequiredService<TimeProvider>()));
        }

        if (sources.OpenSearch is { } template)
        {
            services.AddSingleton<ISearchProvider>(provider => new OpenSearch(template, fetch, provider.GetRequiredService<TimeProvider>()));
        }

        services.AddResearchJob();
    }

    /// <summary>Registers the job type, over the searches and the fetcher that are registered.</summary>
    public static void AddResearchJob(this IServiceCollection services) => services.AddSingleton<IJobType>(static provider => new ResearchJob(
        provider.GetRequiredService<IModelClient>(), provider.GetServices<ISearchProvider>(), provider.GetRequiredService<WebFetcher>()));

    /// <summary>Registers the fetcher that job types share; the result is how it fetches.</summary>
    public static FetchOptions AddFetching(this IServiceCollection services, ResearchSources sources)
    {
        var fetch = new FetchOptions { Allowed = sources.Allowed, Ports = sources.IsClosed ? [] : new FetchOptions().Ports };
        services.AddSingleton(provider => new WebFetcher(fetch, provider.GetRequiredService<TimeProvider>()));
        return fetch;
    }

    /// <summary>The database of the folder's index, which the container closes after all that use it.</summary>
    private sealed class ResearchDatabase(IDatabase database) : IAsyncDisposable
    {
        public IDatabase Database => database;

        public ValueTask DisposeAsync() => database.DisposeAsync();
    }
}
