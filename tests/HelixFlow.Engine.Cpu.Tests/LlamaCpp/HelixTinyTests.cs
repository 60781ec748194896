using System.Text.Json;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Models;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Cpu.Tests.LlamaCpp;

/// <summary>The default model against the answers that PyTorch gave for it in float32, written down when it was trained.</summary>
public class HelixTinyTests
{
    /// <summary>Relative to the best logit; PyTorch's are written with four decimals.</summary>
    private const double Tolerance = 1e-3;

    private static readonly string? Folder = FindFolder();

    [Fact]
    public void Greedy_answers_and_logits_are_those_of_the_reference()
    {
        Assert.SkipWhen(Folder is null, "models/helix-tiny/reference.json is not there");
        using ModelRunner runner = ComparedModels.OpenOurs(Folder, KvType.F32);
        using JsonDocument reference = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "reference.json")));

        foreach (JsonElement answer in reference.RootElement.GetProperty("cases").EnumerateArray())
        {
            int[] prompt = Ids(answer, "prompt_ids");
            int[] expected = Ids(answer, "greedy_ids");
            var session = new RunnerSession(runner);
            ReadOnlySpan<float> logits = session.Evaluate(prompt, 0, chunk: 64);
            double best = logits[RunnerSession.IndexOfMax(logits)];
            foreach (JsonElement top in answer.GetProperty("first_step_top5").EnumerateArray())
            {
                Assert.Equal(top.GetProperty("logit").GetDouble(), logits[top.GetProperty("id").GetInt32()], Tolerance * best);
            }

            for (int i = 0; i < expected.Length; i++)
            {
                Assert.Equal(expected[i], RunnerSession.IndexOfMax(logits));
                logits = session.Evaluate([expected[i]], prompt.Length + i);
            }
        }
    }

    private static int[] Ids(JsonElement answer, string name) => [.. answer.GetProperty(name).EnumerateArray().Select(id => id.GetInt32())];

    private static string? FindFolder()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "HelixFlow.sln")))
            {
                string model = Path.Combine(folder.FullName, "models", "helix-tiny");
                return File.Exists(Path.Combine(model, "reference.json")) ? model : null;
            }
        }

        return null;
    }
}
