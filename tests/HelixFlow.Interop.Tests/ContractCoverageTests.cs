using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>All client suites together leave no operation of schemas/openapi/gateway.json unchecked.</summary>
[Collection(nameof(SharedServer))]
public sealed class ContractCoverageTests(SharedServer shared, ITestOutputHelper output)
{
    private static readonly (string Script, string[] Arguments)[] _suites =
    [
        ("openai", []), ("embeddings", []), ("structured", ["3"]), ("forced", ["4"]), ("responses", []), ("files", []), ("anthropic", []), ("ollama", []),
        ("ai-sdk", []), ("langchain", []), ("operation", []), ("realtime", []), ("vectors", []),
    ];

    // Those that speak with the agent queue, whose description is another one.
    private static readonly string[] _ofTheQueue = ["hub", "mcp", "mcp-conformance", "mcp-server", "webhooks"];

    // Asks a model of the Llama Guard kind, which the suites' server does not have: moderations.mjs holds it against scripted answers.
    private const string NeedsAnotherModel = "POST /v1/moderations application/json";

    [Fact]
    public async Task Every_operation_is_answered_well_and_its_answer_held_to_the_description()
    {
        HashSet<string> covered = [];
        var totals = new Dictionary<string, int> { ["responses"] = 0, ["events"] = 0, ["requests"] = 0 };
        foreach ((string script, string[] arguments) in _suites)
        {
            JsonNode report = (await shared.RunAndReportAsync($"clients/{script}.mjs", arguments)).Report;
            covered.UnionWith(report["covered"]!.AsArray().Select(operation => (string)operation!));
            foreach (string kind in totals.Keys)
            {
                totals[kind] += (int)report["counts"]![kind]!;
            }

            output.WriteLine($"{script}: {report["counts"]!.ToJsonString()}");
        }

        output.WriteLine($"all: {string.Join(", ", totals.Select(total => $"{total.Value} {total.Key}"))}");
        Assert.All(totals.Values, total => Assert.True(total > 100));
        Assert.Equal([NeedsAnotherModel], Described().Except(covered));
    }

    [Fact]
    public async Task Every_suite_is_counted()
    {
        string[] scripts = [.. Directory.GetFiles(Path.Combine(Server.Root, "tests/interop/clients"), "*.mjs")
            .Where(static script => !_ofTheQueue.Contains(Path.GetFileNameWithoutExtension(script))).Order(StringComparer.Ordinal)];

        foreach (string script in scripts)
        {
            Assert.Contains("from \"../contract.mjs\"", (await File.ReadAllTextAsync(script)).Replace("import \"", "from \"", StringComparison.Ordinal), StringComparison.Ordinal);
        }

        // The others run against servers of their own: scripted answers, and requests that are wrong.
        Assert.Equal(
            _suites.Select(suite => suite.Script).Concat(["anthropic-tools", "malformed", "moderations", "proxy", "tools"]).Order(StringComparer.Ordinal),
            scripts.Select(script => Path.GetFileNameWithoutExtension(script)).Order(StringComparer.Ordinal));
    }

    // Each successful answer that the description knows: the method, the path and the type.
    private static IEnumerable<string> Described() =>
        from path in JsonNode.Parse(File.ReadAllText(Path.Combine(Server.Root, "schemas/openapi/gateway.json")))!["paths"]!.AsObject()
        from operation in path.Value!.AsObject()
        where operation.Value is JsonObject
        from answer in operation.Value!["responses"]!.AsObject()
        where answer.Key[0] == '2'
        from content in answer.Value!["content"]?.AsObject() ?? []
        select $"{operation.Key.ToUpperInvariant()} {path.Key} {content.Key}";
}
