using BenchmarkDotNet.Attributes;
using HelixFlow.Engine.KvCache;
using HelixFlow.Engine.Scheduling;

namespace HelixFlow.MicroBenchmarks;

/// <summary>What the scheduler itself costs in a step that decodes one token of every running sequence.</summary>
[MemoryDiagnoser]
public class SchedulerBenchmarks
{
    private const int BlockSize = 16;
    private const int Prompt = 64;
    private const int MaxLength = 2048;

    private Scheduler _scheduler = null!;
    private TimeSpan _now;
    private long _arrivals;

    [Params(1, 8, 64)]
    public int Sequences { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        _scheduler = new Scheduler(new BlockPool(Sequences * MaxLength / BlockSize * 2, BlockSize), 512, Sequences, prefixReuse: true, TimeSpan.FromSeconds(30));
        Fill();
    }

    [Benchmark(Description = "plan, commit, append")]
    public int Step()
    {
        _now += TimeSpan.FromMilliseconds(20);
        StepPlan plan = _scheduler.Plan(_now);
        int rows = plan.Rows;
        _scheduler.Commit(plan);
        bool ended = false;
        foreach (PlannedRows entry in plan.Entries)
        {
            if (entry.Sequence.Pending == 0)
            {
                entry.Sequence.Append((int)(_arrivals + entry.Sequence.Length) % 32_000);
                ended |= entry.Sequence.Length >= MaxLength - 1;
            }
        }

        if (ended)
        {
            // Rare: once in some two thousand steps.
            foreach (Sequence sequence in _scheduler.Running.ToArray())
            {
                _scheduler.Remove(sequence);
            }

            Fill();
        }

        return rows;
    }

    private void Fill()
    {
        for (int i = 0; i < Sequences; i++)
        {
            int[] prompt = [.. Enumerable.Range(0, Prompt).Select(at => (int)((_arrivals * 131) + at) % 32_000)];
            _scheduler.Add(new Sequence(prompt, MaxLength, priority: 0, _arrivals++, choice: 0, salt: ""), _now);
        }
    }
}
