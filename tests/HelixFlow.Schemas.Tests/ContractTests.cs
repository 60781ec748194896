using System.Text.Json;
using System.Text.RegularExpressions;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using HelixFlow.Schemas.Agents.V1;
using HelixFlow.Schemas.Auth.V1;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Schemas.Tests;

/// <summary>The rules of schemas/proto/README.md.</summary>
public sealed partial class ContractTests
{
    private const string Record = "HELIXFLOW_RECORD_CONTRACTS";

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static IEnumerable<FileDescriptor> Files => [InferenceReflection.Descriptor, AuthReflection.Descriptor, WorkerReflection.Descriptor];

    [Fact]
    public void Nothing_released_has_changed_or_gone()
    {
        string path = Path.Combine(Folder(), "compatibility.json");
        SortedDictionary<string, string> recorded = File.Exists(path) ? JsonSerializer.Deserialize<SortedDictionary<string, string>>(File.ReadAllText(path))! : [];
        var now = new SortedDictionary<string, string>(Files.SelectMany(Contract.Describe).ToDictionary(), StringComparer.Ordinal);

        Assert.Empty(Contract.FindBreaks(recorded, now));

        if (Environment.GetEnvironmentVariable(Record) == "1")
        {
            File.WriteAllText(path, JsonSerializer.Serialize(now, Json) + "\n");
            return;
        }

        IEnumerable<string> unrecorded = now.Keys.Except(recorded.Keys);
        Assert.True(!unrecorded.Any(), $"Not recorded: {string.Join(", ", unrecorded)}. Run `{Record}=1 ./helixflow test Schemas`.");
    }

    [Fact]
    public void The_descriptor_of_the_worker_protocol_that_the_Python_worker_has_is_this_one()
    {
        string path = Path.Combine(Folder(), "../../sdks/python-worker/helixflow_worker/worker.protoset");
        var set = new FileDescriptorSet { File = { FileDescriptorProto.Parser.ParseFrom(WorkerReflection.Descriptor.SerializedData) } };
        if (Environment.GetEnvironmentVariable(Record) == "1")
        {
            File.WriteAllBytes(path, set.ToByteArray());
        }

        Assert.Equal(set, FileDescriptorSet.Parser.ParseFrom(File.ReadAllBytes(path)));
    }

    [Theory]
    [InlineData("field p.M.a", "1 plain string", "field p.M.a", "2 plain string")]
    [InlineData("field p.M.a", "1 plain string", "field p.M.a", "1 plain bytes")]
    [InlineData("field p.M.a", "1 plain string", "field p.M.a", "1 repeated string")]
    [InlineData("field p.M.a", "1 plain string", "field p.M.b", "1 plain string")]
    [InlineData("value p.E.X", "1", "value p.E.X", "2")]
    [InlineData("method p.S.M", "p.A -> p.B", "method p.S.M", "p.A -> stream p.B")]
    [InlineData("message p.M", "", "message p.N", "")]
    public void A_change_of_what_is_released_is_found(string key, string value, string newKey, string newValue) =>
        Assert.Single(Contract.FindBreaks(new Dictionary<string, string> { [key] = value }, new Dictionary<string, string> { [newKey] = newValue }));

    [Fact]
    public void A_field_may_go_when_its_number_and_its_name_are_reserved()
    {
        var recorded = new Dictionary<string, string> { ["field p.M.a"] = "7 plain string" };

        Assert.Empty(Contract.FindBreaks(recorded, new Dictionary<string, string> { ["reserved p.M 7"] = "", ["reserved p.M a"] = "" }));
        Assert.Single(Contract.FindBreaks(recorded, new Dictionary<string, string> { ["reserved p.M 7"] = "" }));
    }

    [Fact]
    public void Every_enum_begins_with_a_value_that_means_nothing()
    {
        IEnumerable<EnumDescriptor> enums = Files.SelectMany(file => file.EnumTypes);

        Assert.All(enums, definition =>
        {
            Assert.Equal(0, definition.Values[0].Number);
            Assert.EndsWith("_UNSPECIFIED", definition.Values[0].Name, StringComparison.Ordinal);
        });
    }

    /// <summary>A comment stands above it, or its name says it all: those are listed.</summary>
    [Fact]
    public void What_a_name_does_not_say_a_comment_says()
    {
        string[] plain =
        [
            "model", "models", "text", "tokens", "text_tokens", "prompt_tokens", "completion_tokens", "choice", "token", "finish", "usage", "prompt", "waiting", "sampling", "name", "id", "error",
            "reason", "revision", "devices", "prefixes", "phase", "pinned", "done", "running", "chat", "priority", "project", "parameters", "kv_blocks_total", "embeddings", "generated_tokens_total", "steps_total",
            "preemptions_total", "prompt_tokens_total", "description", "memory_bytes", "used_bytes", "stop", "added", "removed", "ids", "event", "input", "principal", "key", "scopes", "top",
            "type", "types", "state", "options", "lease", "leases", "worker", "run", "effect", "host", "created_at", "started_at", "ended_at",
        ];
        var uncommented = new List<string>();
        foreach (string path in Directory.EnumerateFiles(Path.Combine(Folder(), "helixflow"), "*.proto", SearchOption.AllDirectories))
        {
            string[] lines = File.ReadAllLines(path);
            for (int i = 0; i < lines.Length; i++)
            {
                if (Declaration().Match(lines[i]) is { Success: true } match && !lines[i - 1].TrimStart().StartsWith("//", StringComparison.Ordinal)
                    && !plain.Contains(match.Groups["field"].Value))
                {
                    uncommented.Add($"{Path.GetFileName(path)}:{i + 1}: {lines[i].Trim()}");
                }
            }
        }

        Assert.Empty(uncommented);
    }

    private static string Folder()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "HelixFlow.sln")))
        {
            folder = folder.Parent;
        }

        return Path.Combine(folder!.FullName, "schemas", "proto");
    }

    // Fields and methods; messages that hold requests and responses of methods are explained there.
    [GeneratedRegex(@"^\s+(?:(?:optional |repeated )?(?:map<[^>]+>|[\w.]+) (?<field>\w+) = \d+;|rpc (?<field>\w+)\()")]
    private static partial Regex Declaration();
}
