using System.Net;
using System.Text;
using Grpc.Core;
using Grpc.Net.Client;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.Http;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Remote;
using HelixFlow.Agents.Searching;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Agents.V1;
using HelixFlow.Schemas.Auth.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using SearchHit = HelixFlow.Agents.Searching.SearchHit;

namespace HelixFlow.Agents.Tests.Remote;

/// <summary>What a server searches and reads for jobs in other processes.</summary>
public sealed class SourceServiceTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_server_says_what_it_has_and_searches_and_reads_for_others()
    {
        await using Host host = await Host.StartAsync(new Shelf(), new Broken());
        ServerSources sources = await RemoteSearch.DescribeAsync(host.Invoker("w"), Token);

        Assert.Equal(("digest", "shelf True, broken False"), (sources.ToolsDigest, string.Join(", ", sources.Searches.Select(static search => $"{search.Name} {search.IsLocal}"))));
        IReadOnlyList<SearchHit> hits = await sources.Searches[0].SearchAsync(new SearchQuery("two words", 7, "de"), Token);
        Assert.Equal([new SearchHit("local:a.md", "two words", "7 de"), new SearchHit("local:b.md", "", "")], hits);
        Assert.Equal("7 -", (await sources.Searches[0].SearchAsync(new SearchQuery("x", 7, null), Token))[0].Snippet);
        FetchResult page = await Assert.IsType<RemoteSearch>(sources.Searches[0]).ReadAsync("local:a.md", Token);
        Assert.Equal(("local:a.md", "Text of ü."), (page.Page!.Url, page.Page.Text));
        FetchResult none = await ((RemoteSearch)sources.Searches[0]).ReadAsync("local:none.md", Token);
        Assert.Equal((FetchFailure.Unreachable, "There is no such file in the folder."), (none.Failure, none.Reason));
        SearchException failed = await Assert.ThrowsAsync<SearchException>(() => sources.Searches[1].SearchAsync(new SearchQuery("x", 1, null), Token));
        Assert.Equal("It is down.", failed.Message);
    }

    [Fact]
    public async Task What_a_server_does_not_have_is_refused_with_a_reason()
    {
        await using Host host = await Host.StartAsync(new Broken());
        var client = new Sources.SourcesClient(host.Invoker("w"));

        Assert.Equal((StatusCode.NotFound, WorkerStatus.UnknownSource), await RefusedAsync(client.SearchAsync(new SearchRequest { Source = "none", Text = "x", Limit = 1 }, cancellationToken: Token)));
        Assert.Equal((StatusCode.InvalidArgument, "INVALID_FIELD"), await RefusedAsync(client.SearchAsync(new SearchRequest { Source = "broken", Text = "x" }, cancellationToken: Token)));
        Assert.Equal((StatusCode.Unavailable, WorkerStatus.SearchFailed), await RefusedAsync(client.SearchAsync(new SearchRequest { Source = "broken", Text = "x", Limit = 1 }, cancellationToken: Token)));
        Assert.Equal((StatusCode.NotFound, WorkerStatus.UnknownSource), await RefusedAsync(client.ReadPageAsync(new ReadPageRequest { Url = "local:a.md" }, cancellationToken: Token)));
        foreach ((string key, StatusCode status, string reason) in ((string, StatusCode, string)[])[("p", StatusCode.PermissionDenied, "SCOPE_MISSING"), ("nobody", StatusCode.Unauthenticated, "KEY_INVALID")])
        {
            client = new Sources.SourcesClient(host.Invoker(key));
            Assert.Equal((status, reason), await RefusedAsync(client.DescribeAsync(new DescribeRequest(), cancellationToken: Token)));
            Assert.Equal((status, reason), await RefusedAsync(client.SearchAsync(new SearchRequest(), cancellationToken: Token)));
            Assert.Equal((status, reason), await RefusedAsync(client.ReadPageAsync(new ReadPageRequest(), cancellationToken: Token)));
        }
    }

    [Fact]
    public void Rules_for_tools_have_the_same_digest_only_when_they_are_the_same()
    {
        var rules = new ToolOptions { Approve = ["unsafe"], Secrets = new Dictionary<string, ToolSecret> { ["b"] = Secret("B"), ["a"] = Secret("A") } };
        var same = new ToolOptions { Approve = ["unsafe"], Secrets = new Dictionary<string, ToolSecret> { ["a"] = Secret("A"), ["b"] = Secret("B") } };

        Assert.Equal(rules.Digest(), same.Digest());
        Assert.NotEqual(rules.Digest(), (rules with { Approve = [] }).Digest());
        Assert.NotEqual(rules.Digest(), (rules with { Ports = [80] }).Digest());
        Assert.NotEqual(rules.Digest(), new ToolOptions().Digest());

        static ToolSecret Secret(string name) => new() { Environment = name, Origins = ["https://example.com"] };
    }

    private static async Task<(StatusCode Status, string? Reason)> RefusedAsync<T>(AsyncUnaryCall<T> call)
    {
        RpcException exception = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);
        return (exception.StatusCode, WorkerStatus.ReasonOf(exception));
    }

    private sealed class Shelf : ISearchProvider, ILocalPages
    {
        public string Name => "shelf";

        public bool IsLocal => true;

        public Task<IReadOnlyList<SearchHit>> SearchAsync(SearchQuery query, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<SearchHit>>([new SearchHit("local:a.md", query.Text, $"{query.Limit} {query.Language ?? "-"}"), new SearchHit("local:b.md", "", "")]);

        public Task<FetchResult> ReadAsync(string url, CancellationToken cancellationToken) => Task.FromResult(url == "local:a.md"
            ? new FetchResult(PageReader.Read(url, Encoding.UTF8.GetBytes("Text of ü."), "text/plain", null, DateTimeOffset.UnixEpoch), null, null)
            : new FetchResult(null, FetchFailure.Unreachable, "There is no such file in the folder."));
    }

    private sealed class Broken : ISearchProvider
    {
        public string Name => "broken";

        public bool IsLocal => false;

        public Task<IReadOnlyList<SearchHit>> SearchAsync(SearchQuery query, CancellationToken cancellationToken) => throw new SearchException("It is down.");
    }

    private sealed class Host(AgentHost journal, WebApplication app) : IAsyncDisposable
    {
        private readonly List<GrpcChannel> _channels = [];

        public static async Task<Host> StartAsync(params ISearchProvider[] searches)
        {
            var journal = new AgentHost();
            WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Listen(IPAddress.Loopback, 0, static listener => listener.Protocols = HttpProtocols.Http2));
            builder.Services.AddSingleton(journal.Journal);
            builder.Services.AddSingleton<IKeyAuthority, Keys>();
            builder.Services.AddSingleton(new SourceOptions { ToolsDigest = "digest" });
            foreach (ISearchProvider search in searches)
            {
                builder.Services.AddSingleton(search);
            }

            builder.Services.AddAgents(new AgentOptions());
            builder.Services.AddAgentWorkers();
            WebApplication app = builder.Build();
            app.MapAgentWorkers();
            await app.StartAsync(Token);
            return new Host(journal, app);
        }

        public CallInvoker Invoker(string key)
        {
            _channels.Add(WorkerChannel.Open(new Uri(app.Urls.First()), key));
            return _channels[^1].CreateCallInvoker();
        }

        public async ValueTask DisposeAsync()
        {
            _channels.ForEach(static channel => channel.Dispose());
            await app.DisposeAsync();
            await journal.DisposeAsync();
        }
    }

    private sealed class Keys : IKeyAuthority
    {
        public ValueTask<VerifyKeyResponse> VerifyKeyAsync(VerifyKeyRequest request, CancellationToken cancellationToken) => ValueTask.FromResult(request.Key == "nobody"
            ? new VerifyKeyResponse()
            : new VerifyKeyResponse { Principal = new Principal { Id = request.Key, Project = "p", Scopes = { request.Key == "w" ? WorkerGuard.Scope : "inference" } } });
    }
}
