using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace HelixFlow.Engine.Tests.Tokenization;

/// <summary>One node process that runs Hugging Face's own tokenizers for a test class.</summary>
public sealed class NodeWitness : IDisposable
{
    private readonly Process? _process;
    private readonly string _missing = "";

    public NodeWitness()
    {
        if (FindInterop() is not { } interop)
        {
            _missing = "Run `npm ci --ignore-scripts` in tests/interop to compare with @huggingface/tokenizers.";
            return;
        }

        try
        {
            _process = Process.Start(new ProcessStartInfo("node", [Path.Combine(interop, "tokenization", "witness.mjs")])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                StandardInputEncoding = new UTF8Encoding(false),
                StandardOutputEncoding = Encoding.UTF8,
            });
        }
        catch (System.ComponentModel.Win32Exception)
        {
            _missing = "Install node 20 or later to compare with @huggingface/tokenizers.";
        }
    }

    public (int[][] Ids, string[] Texts) Ask(JsonNode tokenizer, JsonNode config, IEnumerable<string> texts, IEnumerable<int[]> ids, bool special)
    {
        var response = Send(new JsonObject
        {
            ["tokenizer"] = tokenizer.DeepClone(),
            ["config"] = config.DeepClone(),
            ["texts"] = new JsonArray([.. texts.Select(text => (JsonNode)Pack(text))]),
            ["ids"] = new JsonArray([.. ids.Select(list => new JsonArray([.. list.Select(id => (JsonNode)id)]))]),
            ["special"] = special,
        });
        return (response["ids"].Deserialize<int[][]>()!, [.. response["texts"]!.AsArray().Select(text => Unpack((string)text!))]);
    }

    /// <summary>The ids of pairs of texts, with special tokens.</summary>
    public int[][] AskPairs(JsonNode tokenizer, IEnumerable<(string First, string Second)> pairs) => Send(new JsonObject
    {
        ["tokenizer"] = tokenizer.DeepClone(),
        ["config"] = new JsonObject(),
        ["pairs"] = new JsonArray([.. pairs.Select(pair => new JsonArray(Pack(pair.First), Pack(pair.Second)))]),
    })["ids"].Deserialize<int[][]>()!;

    /// <summary>NFC, NFD, NFKC and NFKD of each text, one after the other.</summary>
    public string[] AskForms(IEnumerable<string> texts) =>
    [
        .. Send(new JsonObject { ["forms"] = new JsonArray([.. texts.Select(text => (JsonNode)Pack(text))]) })["texts"]!.AsArray()
            .Select(text => Unpack((string)text!)),
    ];

    public void Dispose()
    {
        if (_process is not null)
        {
            _process.StandardInput.Close();
            _process.WaitForExit();
            _process.Dispose();
        }
    }

    private JsonNode Send(JsonObject request)
    {
        Assert.SkipWhen(_process is null, _missing);
        _process!.StandardInput.WriteLine(request.ToJsonString());
        _process.StandardInput.Flush();
        var response = JsonNode.Parse(_process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("node has ended"))!;
        return response["error"] is { } error ? throw new InvalidOperationException((string)error!) : response;
    }

    private static string Pack(string text) => Convert.ToBase64String(MemoryMarshal.AsBytes(text.AsSpan()));

    private static string Unpack(string packed) => MemoryMarshal.Cast<byte, char>(Convert.FromBase64String(packed)).ToString();

    private static string? FindInterop()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "HelixFlow.sln")))
            {
                var interop = Path.Combine(folder.FullName, "tests", "interop");
                return Directory.Exists(Path.Combine(interop, "node_modules", "@huggingface", "tokenizers")) ? interop : null;
            }
        }

        return null;
    }
}
