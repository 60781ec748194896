using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.TestKit.Backends;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.LlamaCpp;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Cpu.Tests.LlamaCpp;

public class Probe
{
    [Fact]
    public void Probing()
    {
        using var folder = new TempFolder();
        foreach (string family in (string[])["phi3","phi3long"])
        {
            foreach (TensorType type in (TensorType[])[TensorType.F32, TensorType.BF16, TensorType.Q8_0, TensorType.Q4_0])
            {
                string path = folder[$"{family}-{type}.gguf"];
                RandomModel.Write("nano", family, type, path);
                int[] prompt = [.. Enumerable.Range(0, 200).Select(i => 100 + (int)((long)i * 7919 % 312))];
                foreach (bool? flash in (bool?[])[null, false, true])
                {
                    using LlamaCppModel theirs = LlamaCppLibrary.Load().OpenModel(path);
                    using LlamaCppContext context = theirs.CreateContext(new LlamaCppContextOptions { FloatCache = true, FlashAttention = flash });
                    using var ours = new ModelRunner(ModelFile.Open(path), new ReferenceBackend(), new ModelRunnerOptions { KvType = KvType.F32, KvBlocks = 64, MaxBatchRows = 256, ContextLength = 1024 });
                    var session = new RunnerSession(ours);
                    float[] a = session.Evaluate(prompt, 0).ToArray();
                    float[] b = context.Evaluate(prompt, 0).ToArray();
                    TestContext.Current.SendDiagnosticMessage($"{family} {type} {flash}: {Comparison.RelativeError(a, b):E2} {RunnerSession.IndexOfMax(a)} {RunnerSession.IndexOfMax(b)}");
                }
            }
        }
    }
}
