using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;

namespace HelixFlow.Benchmarks.Tokenization;

/// <summary>A node process that runs @huggingface/tokenizers; asked one thing at a time.</summary>
internal sealed class NodeTokenizer : IDisposable
{
    private readonly Process _process;

    public NodeTokenizer(string interop)
    {
        _process = Process.Start(new ProcessStartInfo("node", ["--max-old-space-size=4096", Path.Combine(interop, "tokenization", "speed.mjs")])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            StandardInputEncoding = new UTF8Encoding(false),
            StandardOutputEncoding = Encoding.UTF8,
        }) ?? throw new InvalidOperationException("node did not start");
    }

    public void Load(string folder) => Ask(new JsonObject { ["load"] = folder });

    /// <summary>Encodes the texts of a JSON file and gives their ids.</summary>
    public int[][] Take(string file) =>
        [.. Ask(new JsonObject { ["texts"] = file })["ids"]!.AsArray().Select(ids => ids!.AsArray().Select(id => (int)id!).ToArray())];

    public TimeSpan Encode() => Time("encode");

    public TimeSpan Decode() => Time("decode");

    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(5_000))
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    private TimeSpan Time(string what) => TimeSpan.FromMilliseconds((double)Ask(new JsonObject { [what] = true })["ms"]!);

    private JsonNode Ask(JsonObject request)
    {
        _process.StandardInput.WriteLine(request.ToJsonString());
        _process.StandardInput.Flush();
        JsonNode answer = JsonNode.Parse(_process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("node ended; run npm ci --ignore-scripts in tests/interop"))!;
        return answer["error"] is { } error ? throw new InvalidOperationException((string)error!) : answer;
    }
}
