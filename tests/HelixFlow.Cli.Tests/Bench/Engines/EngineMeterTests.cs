using System.Text.Json.Nodes;
using HelixFlow.Cli.Bench;
using HelixFlow.Cli.Bench.Engines;
using HelixFlow.Cli.Tests.Bench.Load;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Cli.Tests.Bench.Engines;

public sealed class EngineMeterTests
{
    [Fact]
    public void Rates_are_tokens_by_time()
    {
        var time = new JumpingTime();
        using var engine = new TimedEngine(time);
        var meter = new EngineMeter(engine, time);

        // 2 ms a token of prompt, 10 ms a step.
        Assert.Equal(500, meter.Prefill(0, 50), 6);
        Assert.Equal(3, meter.PrefillMissing(4, 50).Count);
        Assert.Equal(400, meter.Decode(4, 11, out int[][] continuations), 6);
        Assert.Equal((4, 11), (continuations.Length, continuations[0].Length));
        Assert.Equal(0, meter.Decode(4, 1, out _));
    }

    [Fact]
    public void Prompts_are_evaluated_once_for_all_numbers_of_sequences()
    {
        var time = new JumpingTime();
        using var engine = new TimedEngine(time);
        var meter = new EngineMeter(engine, time);

        Assert.Single(meter.PrefillMissing(1, 50));
        Assert.Equal(3, meter.PrefillMissing(4, 50).Count);
        Assert.Empty(meter.PrefillMissing(2, 50));
        Assert.Equal(2, meter.PrefillMissing(2, 70).Count);
        Assert.Equal(6, engine.Prompts.Count);
        Assert.All(engine.Prompts, prompt => Assert.All(prompt, token => Assert.InRange(token, 0, engine.VocabularySize - 1)));
        Assert.Equal(4, engine.Prompts.Take(4).DistinctBy(prompt => string.Join(',', prompt)).Count());
    }

    [Fact]
    public void The_first_of_the_largest_logits_is_the_greedy_token()
    {
        var random = new Random(1);
        for (int round = 0; round < 300; round++)
        {
            float[] logits = [.. Enumerable.Range(0, random.Next(1, 80)).Select(_ => random.Next(-20, 20) * 0.5f)];

            Assert.Equal(Array.IndexOf(logits, logits.Max()), GreedyToken.Of(logits));
        }
    }

    [Fact]
    public void Work_becomes_bytes_and_operations()
    {
        var work = new EngineWork(WeightBytes: 1_000_000_000, KvBytesPerPosition: 1000, LayerWeights: 900_000_000, OutputWeights: 100_000_000, IsQuantised: true);

        Assert.Equal(180, work.PrefillGops(100), 9);
        Assert.Equal(200, work.DecodeGops(100), 9);
        Assert.Equal(10, work.DecodeGigabytes(10, 1, 0), 9);
        Assert.Equal(10 * (1 + (8 * 500 * 1e-6)), work.DecodeGigabytes(80, 8, 500), 9);
    }

    [Fact]
    public void The_json_keeps_its_names()
    {
        var rate = new Distribution([1, 2, 4]);
        var result = new EngineBenchResult(
            "m", new EngineRoom(8, 576, 2, KvType.Q8_0, TensorType.Q4_0), new MachineCeilings(20, 100, 50), new EngineWork(1_000_000_000, 0, 1_000_000_000, 0, true), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2),
            [new EngineBenchRow(512, 64, 8, rate, rate, [[1, 2], [3, 4]])]);

        JsonObject json = Assert.Single(EngineReport.Json(result, withContinuations: true));

        Assert.Equal(("helixflow", "m", 2, 8, 512, 64), ((string)json["engine"]!, (string)json["model"]!, (int)json["threads"]!, (int)json["sequences"]!, (int)json["prompt"]!, (int)json["generate"]!));
        Assert.Equal((1.0, 2.0, 2.0), ((double)json["load_seconds"]!, (double)json["prefill_tokens_per_second"]!, (double)json["decode_tokens_per_second"]!));
        Assert.Equal((1.0, 4.0), ((double)json["decode_tokens_per_second_min"]!, (double)json["decode_tokens_per_second_max"]!));
        Assert.Equal("[[1,2],[3,4]]", json["continuations"]!.ToJsonString());
        Assert.False(Assert.Single(EngineReport.Json(result, withContinuations: false)).ContainsKey("continuations"));
        var output = new StringWriter();
        EngineReport.WriteTables(output, result);
        Assert.Equal(("Q4_0", "Q8_0"), ((string)json["quantize"]!, (string)json["kv_type"]!));
        Assert.Contains("m, rounded to Q4_0, 2 threads, Q8_0 keys and values: decode", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("Ceilings measured in this run: memory 20.0 GB/s", output.ToString(), StringComparison.Ordinal);
    }

    /// <summary>Takes 2 ms of virtual time for a token of a prompt and 10 ms for a step.</summary>
    private sealed class TimedEngine(JumpingTime time) : IMeasuredEngine
    {
        public List<int[]> Prompts { get; } = [];

        public int VocabularySize => 500;

        public int Prefill(int sequence, ReadOnlySpan<int> tokens)
        {
            time.Advance(TimeSpan.FromMilliseconds(2 * tokens.Length));
            Prompts.Add(tokens.ToArray());
            return 7;
        }

        public void Step(Span<int> next, int position)
        {
            time.Advance(TimeSpan.FromMilliseconds(10));
            next.Fill(position);
        }

        public void Rewind(int sequence, int position)
        {
        }

        public void Dispose()
        {
        }
    }
}
