using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>Research in a real server process with the built-in model, whose text is poor and whose citations must resolve all the same.</summary>
public sealed class ResearchTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_question_is_researched_in_a_folder_by_the_built_in_model_and_every_citation_resolves()
    {
        string folder = Directory.CreateTempSubdirectory("helixflow-research-").FullName;
        try
        {
            await WriteTownsAsync(folder);
            await using Server server = await Server.StartAsync(arguments: ["--research-folder", folder]);
            using HttpClient client = server.CreateClient();
            JsonNode job = await JobTests.SubmitAsync(client, new JsonObject
            {
                ["type"] = "research",
                ["input"] = new JsonObject { ["question"] = "How many bridges cross the river of Town17?", ["model"] = Server.Model, ["max_sources"] = 4, ["depth"] = 2 },
            });

            Assert.Equal("succeeded", (await JobTests.FollowAsync(client, job["id"]!.GetValue<string>()))[^1]);
            JsonNode result = (await client.GetFromJsonAsync<JsonNode>($"/api/v1/agent/jobs/{job["id"]}/result", Token))!;
            JsonArray citations = result["citations"]!.AsArray();
            Assert.NotEmpty(citations);
            Assert.Contains("local:town17.md", result["sources"]!.AsArray().Select(static source => source!["url"]!.GetValue<string>()));
            foreach (JsonNode? citation in citations)
            {
                // Texts of Markdown files are read as they are.
                string page = await File.ReadAllTextAsync(Path.Combine(folder, citation!["url"]!.GetValue<string>()["local:".Length..]), Token);
                string span = page[citation["start"]!.GetValue<int>()..citation["end"]!.GetValue<int>()];
                Assert.Equal(citation["quote"]!.GetValue<string>(), string.Join(' ', span.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)));
                Assert.Contains($"[{citation["number"]}", result["report"]!.GetValue<string>().Replace(", ", "[", StringComparison.Ordinal), StringComparison.Ordinal);
            }

            Assert.True(result["usage"]!["calls"]!.GetValue<int>() > 0);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_server_that_is_killed_meanwhile_reads_no_page_twice()
    {
        string folder = Directory.CreateTempSubdirectory("helixflow-research-").FullName, data = Directory.CreateTempSubdirectory("helixflow-research-").FullName;
        try
        {
            await WriteTownsAsync(folder);
            string id;
            await using (Server first = await Server.StartAsync(data: data, arguments: ["--research-folder", folder]))
            {
                using HttpClient client = first.CreateClient();
                var body = new JsonObject
                {
                    ["type"] = "research",
                    ["input"] = new JsonObject { ["question"] = "How many bridges cross the river of Town17?", ["max_sources"] = 12 },
                    ["options"] = new JsonObject { ["lease_ms"] = 1000, ["backoff_ms"] = 1 },
                };
                id = (await JobTests.SubmitAsync(client, body))["id"]!.GetValue<string>();
                await UntilAsync(client, id, "extract/1");
                first.Kill();
            }

            await using Server second = await Server.StartAsync(data: data, arguments: ["--research-folder", folder]);
            using HttpClient again = second.CreateClient();
            Assert.Equal("succeeded", (await JobTests.FollowAsync(again, id))[^1]);
            JsonNode steps = (await again.GetFromJsonAsync<JsonNode>($"/api/v1/agent/jobs/{id}/steps", Token))!;
            Assert.Equal(12, steps["data"]!.AsArray().Count(static step => step!["address"]!.GetValue<string>().StartsWith("fetch/", StringComparison.Ordinal)));
            List<string> done = await SucceededAsync(again, id);
            Assert.Equal(done.Distinct(), done);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
            Directory.Delete(data, recursive: true);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_search_service_finds_inside_is_read_only_when_the_operator_allows_it(bool isAllowed)
    {
        using var web = new SmallWeb();
        string[] arguments = isAllowed ? ["--searxng", web.Address, "--fetch-allow", "127.0.0.1"] : ["--searxng", web.Address];
        await using Server server = await Server.StartAsync(arguments: arguments);
        using HttpClient client = server.CreateClient();
        JsonNode job = await JobTests.SubmitAsync(client, new JsonObject
        {
            ["type"] = "research", ["input"] = new JsonObject { ["question"] = "How heavy are whales?", ["breadth"] = 1, ["model"] = Server.Model },
        });

        Assert.Equal("succeeded", (await JobTests.FollowAsync(client, job["id"]!.GetValue<string>()))[^1]);
        JsonNode result = (await client.GetFromJsonAsync<JsonNode>($"/api/v1/agent/jobs/{job["id"]}/result", Token))!;
        JsonNode source = Assert.Single(result["sources"]!.AsArray())!;
        Assert.Equal(web.Address + "whales", source["url"]!.GetValue<string>());
        Assert.Equal(isAllowed, web.Asked.Contains("/whales"));
        Assert.Contains("/search", web.Asked);
        if (isAllowed)
        {
            Assert.Equal("cited", source["status"]!.GetValue<string>());
            Assert.Contains("tonnes", result["citations"]![0]!["quote"]!.GetValue<string>(), StringComparison.Ordinal);
        }
        else
        {
            Assert.Equal("refused_address", source["code"]!.GetValue<string>());
            Assert.Empty(result["citations"]!.AsArray());
        }
    }

    private static async Task WriteTownsAsync(string folder)
    {
        for (int i = 0; i < 30; i++)
        {
            await File.WriteAllTextAsync(
                Path.Combine(folder, $"town{i}.md"), $"# Town{i}\n\nTown{i} has {i * 100} people. The river of Town{i} is crossed by {i + 3} bridges.\n\nIts bread is baked in stone ovens.\n", Token);
        }
    }

    /// <summary>Waits until a step has succeeded.</summary>
    private static async Task UntilAsync(HttpClient client, string id, string address)
    {
        await foreach (string done in EventsAsync(client, id))
        {
            if (done == address)
            {
                return;
            }
        }
    }

    private static async Task<List<string>> SucceededAsync(HttpClient client, string id)
    {
        var addresses = new List<string>();
        await foreach (string address in EventsAsync(client, id))
        {
            addresses.Add(address);
        }

        return addresses;
    }

    /// <summary>The addresses of the steps that succeed, until the job has ended.</summary>
    private static async IAsyncEnumerable<string> EventsAsync(HttpClient client, string id)
    {
        using HttpResponseMessage response = await client.GetAsync($"/api/v1/agent/jobs/{id}/events", HttpCompletionOption.ResponseHeadersRead, Token);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Token));
        while (await reader.ReadLineAsync(Token) is { } line)
        {
            if (line.StartsWith("data: ", StringComparison.Ordinal) && JsonNode.Parse(line["data: ".Length..]) is JsonObject happened && happened["kind"]?.GetValue<string>() == "step_succeeded")
            {
                yield return happened["address"]!.GetValue<string>();
            }
        }
    }

    /// <summary>A double of SearXNG's JSON API, by its published description, and the one page that it finds.</summary>
    private sealed class SmallWeb : IDisposable
    {
        private readonly HttpListener _listener = new();

        public SmallWeb()
        {
            using (var free = new TcpListener(IPAddress.Loopback, 0))
            {
                free.Start();
                Address = $"http://127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}/";
            }

            _listener.Prefixes.Add(Address);
            _listener.Start();
            _ = AnswerAsync();
        }

        public string Address { get; }

        public ConcurrentQueue<string> Asked { get; } = new();

        public void Dispose() => _listener.Close();

        private async Task AnswerAsync()
        {
            try
            {
                while (true)
                {
                    HttpListenerContext context = await _listener.GetContextAsync();
                    string path = context.Request.Url!.AbsolutePath;
                    Asked.Enqueue(path);
                    (int status, string type, string body) = path switch
                    {
                        "/search" => (200, "application/json", $$"""{"results": [{"url": "{{Address}}whales", "title": "Whales", "content": ""}]}"""),
                        "/whales" => (200, "text/html", "<title>Whales</title><p>Whales are heavy: a blue whale weighs 150 tonnes.</p>"),
                        _ => (404, "text/plain", ""),
                    };
                    context.Response.StatusCode = status;
                    context.Response.ContentType = type;
                    await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(body));
                    context.Response.Close();
                }
            }
            catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
            }
        }
    }
}
