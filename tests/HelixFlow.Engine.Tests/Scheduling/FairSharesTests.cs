using HelixFlow.Engine.KvCache;
using HelixFlow.Engine.Scheduling;

namespace HelixFlow.Engine.Tests.Scheduling;

public sealed class FairSharesTests
{
    private static readonly TimeSpan Ageing = TimeSpan.FromSeconds(30);

    [Fact]
    public void A_single_request_does_not_wait_for_another_projects_flood()
    {
        var run = new Run(maxSequences: 2);
        for (int i = 0; i < 100; i++)
        {
            run.Add("flood", output: 20);
        }

        run.StepUntil(() => run.Started.Count >= 10);
        int before = run.Started.Count;
        Sequence single = run.Add("single", output: 20);
        run.StepUntil(() => run.Started.Count > before);

        Assert.Same(single, run.Started[before]);
    }

    [Theory]
    [InlineData(1, 3)]
    [InlineData(1, 1)]
    [InlineData(0.5, 4)]
    public void Waiting_projects_get_tokens_in_proportion_to_their_weights(double left, double right)
    {
        // One sends many small requests, the other fewer large ones; how long answers get is known to neither.
        var random = new Random(1);
        var run = new Run(maxSequences: 4);
        run.StepUntil(() =>
        {
            while (run.Waiting("left") < 5)
            {
                run.Add("left", random.Next(1, 30), random.Next(1, 20), left);
            }

            while (run.Waiting("right") < 5)
            {
                run.Add("right", random.Next(20, 90), random.Next(1, 300), right);
            }

            return run.Tokens.GetValueOrDefault("left") + run.Tokens.GetValueOrDefault("right") > 200_000;
        });

        double share = (double)run.Tokens["right"] / run.Tokens["left"];
        Assert.InRange(share, right / left * 0.93, right / left * 1.07);
    }

    [Fact]
    public void Within_a_project_the_earlier_request_starts_first()
    {
        var random = new Random(2);
        var run = new Run(maxSequences: 3);
        run.StepUntil(() =>
        {
            if (run.All.Count < 300)
            {
                run.Add($"project {random.Next(5)}", random.Next(1, 40), random.Next(1, 60), weight: 1 + random.Next(3));
            }

            return run.Started.Count == 300;
        });

        foreach (IGrouping<string, Sequence> project in run.Started.GroupBy(sequence => sequence.Project))
        {
            Assert.Equal(project.OrderBy(sequence => sequence.Arrival), project);
        }
    }

    [Fact]
    public void Priority_comes_before_fairness()
    {
        var run = new Run(maxSequences: 1);
        run.Add("a", output: 5);
        run.StepUntil(() => run.Started.Count == 1);
        Sequence fair = run.Add("b", output: 5);
        Sequence[] urgent = [run.Add("a", output: 5, priority: 1), run.Add("a", output: 5, priority: 1)];

        run.StepUntil(() => run.Started.Count == 4);

        Assert.Equal([.. urgent, fair], run.Started[1..]);
    }

    [Fact]
    public void Who_was_away_saves_nothing_up_and_is_not_charged_for_an_empty_engine()
    {
        var run = new Run(maxSequences: 1);
        run.Add("late", output: 1);
        for (int i = 0; i < 30; i++)
        {
            run.Add("busy", output: 100);
        }

        run.StepUntil(() => run.Started.Count == 25);
        Assert.Equal("late", run.Started[0].Project);
        for (int i = 0; i < 10; i++)
        {
            run.Add("late", output: 100);
        }

        run.StepUntil(() => run.Started.Count == 33);

        // From now on they take turns: what the busy one used while it was alone does not count.
        Assert.Equal(4, run.Started[25..].Count(sequence => sequence.Project == "late"));
    }

    [Fact]
    public void An_estimate_that_was_too_high_is_given_back()
    {
        var run = new Run(maxSequences: 1);
        for (int i = 0; i < 40; i++)
        {
            run.Add("careful", prompt: 10, output: 10, maxOutput: 10);
            run.Add("careless", prompt: 10, output: 10, maxOutput: 200);
        }

        run.StepUntil(() => run.Started.Count == 40);

        Assert.InRange(run.Started.Count(sequence => sequence.Project == "careless"), 18, 22);
    }

    [Fact]
    public void A_class_that_gets_nothing_for_the_interval_counts_as_one_higher_once()
    {
        var run = new Run(maxSequences: 1);
        run.Add("urgent", output: 1, priority: 1);
        Sequence[] patient = [run.Add("batch", output: 1), run.Add("batch", output: 1)];
        var starts = new List<int>();
        for (int second = 0; starts.Count < 2; second++)
        {
            run.Now = TimeSpan.FromSeconds(second);
            run.Add("urgent", output: 1, priority: 1);
            run.Step();
            starts.AddRange(patient.Where(sequence => run.Started[^1] == sequence).Select(_ => second));
            Assert.InRange(second, 0, 100);
        }

        Assert.Equal([30, 60], starts);
    }

    [Fact]
    public void A_class_far_below_rises_with_each_interval()
    {
        var run = new Run(maxSequences: 1);
        Sequence patient = run.Add("batch", output: 1, priority: -2);
        int second = 0;
        for (; !run.Started.Contains(patient); second++)
        {
            run.Now = TimeSpan.FromSeconds(second);
            run.Add("urgent", output: 1, priority: 1);
            run.Step();
            Assert.InRange(second, 0, 200);
        }

        Assert.Equal(90, second - 1);
    }

    [Fact]
    public void Nobody_starves_whatever_comes()
    {
        for (int seed = 0; seed < 25; seed++)
        {
            var random = new Random(seed);
            var run = new Run(maxSequences: random.Next(1, 4), blocks: 40);
            double urgentShare = random.NextDouble();
            double[] weights = [0.1, 1, 1, 5];
            Sequence[] watched = [];
            for (int step = 0; watched.Length == 0 || watched.Any(sequence => sequence.Status != SequenceStatus.Outside); step++)
            {
                Assert.True(step < 30_000, $"seed {seed}: {watched.Count(sequence => sequence.Status != SequenceStatus.Outside)} of the watched still wait");
                run.Now = TimeSpan.FromMilliseconds(100 * step);
                for (int i = run.WaitingCount; i < 12; i++)
                {
                    int project = random.Next(4);
                    int priority = random.NextDouble() < urgentShare ? 1 : random.Next(-1, 2);
                    run.Add($"{project}", random.Next(1, 40), random.Next(1, 40), weights[project], priority);
                }

                run.Step();
                if (step == 200)
                {
                    watched = [.. run.All.Where(sequence => sequence.Status != SequenceStatus.Outside)];
                }
            }
        }
    }

    [Fact]
    public void Projects_without_debt_are_forgotten()
    {
        var shares = new FairShares();
        Sequence always = Enter(shares, "always", 0);
        for (int i = 1; i <= 10_000; i++)
        {
            StartAndLeave(shares, Enter(shares, $"project {i}", i));
            Assert.InRange(shares.Accounts, 1, 200);
            if (i % 50 == 0)
            {
                // The one that always waits starts now and then, which moves the virtual time on.
                Sequence next = Enter(shares, "always", i);
                StartAndLeave(shares, always);
                always = next;
            }
        }

        shares.Leave(always);
        Assert.Equal(0, shares.Accounts);
    }

    [Fact]
    public void Debtors_are_bounded()
    {
        var shares = new FairShares();
        Sequence always = Enter(shares, "always", 0);
        int most = 0;
        for (int i = 1; i <= 100_000; i++)
        {
            StartAndLeave(shares, Enter(shares, $"project {i}", i));
            most = Math.Max(most, shares.Accounts);
        }

        Assert.InRange(most, FairShares.MostDebtors / 2, FairShares.MostDebtors);
        shares.Leave(always);
    }

    private static Sequence Enter(FairShares shares, string project, int arrival)
    {
        var sequence = new Sequence([1, 2, 3], 10, 0, arrival, 0, "") { Project = project };
        shares.Enter(sequence);
        return sequence;
    }

    private static void StartAndLeave(FairShares shares, Sequence sequence)
    {
        FairShares.Start(sequence, 0);
        sequence.HasStarted = true;
        sequence.Reached = sequence.Length;
        shares.Leave(sequence);
    }

    /// <summary>A scheduler whose sequences end after outputs that it does not know.</summary>
    private sealed class Run(int maxSequences, int blocks = 4000)
    {
        private readonly Scheduler _scheduler = new(new BlockPool(blocks, 4), 64, maxSequences, prefixReuse: false, Ageing);
        private readonly Dictionary<Sequence, int> _outputs = [];
        private readonly HashSet<Sequence> _seen = [];

        public TimeSpan Now { get; set; }

        public List<Sequence> All { get; } = [];

        /// <summary>In the order of their starts.</summary>
        public List<Sequence> Started { get; } = [];

        /// <summary>What each project has had, prompts and outputs.</summary>
        public Dictionary<string, long> Tokens { get; } = [];

        public int WaitingCount => _scheduler.Waiting.Count;

        public int Waiting(string project) => _scheduler.Waiting.Count(sequence => sequence.Project == project);

        public Sequence Add(string project, int prompt = 3, int output = 1, double weight = 1, int priority = 0, int? maxOutput = null)
        {
            var sequence = new Sequence(new int[prompt], prompt + (maxOutput ?? output), priority, All.Count, 0, "") { Project = project, Weight = weight };
            All.Add(sequence);
            _outputs.Add(sequence, output);
            _scheduler.Add(sequence, Now);
            return sequence;
        }

        public void StepUntil(Func<bool> isDone)
        {
            for (int step = 0; !isDone(); step++)
            {
                Assert.InRange(step, 0, 1_000_000);
                Step();
            }
        }

        public void Step()
        {
            StepPlan plan = _scheduler.Plan(Now);
            foreach (PlannedRows entry in plan.Entries)
            {
                string project = entry.Sequence.Project;
                Tokens[project] = Tokens.GetValueOrDefault(project) + entry.Rows;
                if (_seen.Add(entry.Sequence))
                {
                    Started.Add(entry.Sequence);
                }
            }

            _scheduler.Commit(plan);
            foreach (PlannedRows entry in plan.Entries)
            {
                Sequence sequence = entry.Sequence;
                if (sequence.Pending == 0)
                {
                    sequence.Append(1);
                    if (sequence.Length - sequence.PromptLength == _outputs[sequence])
                    {
                        _scheduler.Remove(sequence);
                    }
                }
            }
        }
    }
}
