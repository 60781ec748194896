using HelixFlow.Gateway.Routing;

namespace HelixFlow.Gateway.Tests.Routing;

public sealed class FairQueueTests
{
    private static readonly TimeSpan Start = TimeSpan.FromHours(1);

    [Fact]
    public void One_project_is_served_in_the_order_it_came()
    {
        var queue = new FairQueue<int>(new FairQueueOptions());
        for (int at = 0; at < 20; at++)
        {
            Add(queue, at, "a", cost: 1 + (at * 7 % 5));
        }

        Assert.Equal(Enumerable.Range(0, 20), Drain(queue));
    }

    [Fact]
    public void A_higher_priority_is_served_first()
    {
        var queue = new FairQueue<int>(new FairQueueOptions());
        Add(queue, 1, "a", priority: 0);
        Add(queue, 2, "a", priority: -3);
        Add(queue, 3, "a", priority: 5);
        Add(queue, 4, "b", priority: 5);

        Assert.Equal([3, 4, 1, 2], Drain(queue));
    }

    [Fact]
    public void Priorities_out_of_range_count_as_the_nearest()
    {
        var queue = new FairQueue<int>(new FairQueueOptions());
        Add(queue, 1, "a", priority: FairQueue<int>.LowestPriority);
        Add(queue, 2, "a", priority: int.MinValue);
        Add(queue, 3, "a", priority: int.MaxValue);
        Add(queue, 4, "a", priority: FairQueue<int>.HighestPriority);

        Assert.Equal([3, 4, 1, 2], Drain(queue));
    }

    [Fact]
    public void A_project_with_much_to_do_does_not_hold_up_one_with_little()
    {
        var queue = new FairQueue<int>(new FairQueueOptions());
        for (int at = 0; at < 100; at++)
        {
            Add(queue, at, "greedy");
        }

        Add(queue, 1000, "modest");

        Assert.Equal([0, 1000, 1], Drain(queue).Take(3));
    }

    [Fact]
    public void What_a_project_did_not_use_before_it_came_it_does_not_get_later()
    {
        var queue = new FairQueue<int>(new FairQueueOptions());
        for (int at = 0; at < 100; at++)
        {
            Add(queue, at, "old");
        }

        for (int at = 0; at < 50; at++)
        {
            Assert.True(queue.TryDequeue(Start, out _));
        }

        for (int at = 1000; at < 1010; at++)
        {
            Add(queue, at, "new");
        }

        List<int> served = Drain(queue);
        Assert.InRange(served.Take(10).Count(value => value >= 1000), 4, 6);
    }

    [Fact]
    public void Shares_follow_the_weights()
    {
        var queue = new FairQueue<int>(new FairQueueOptions { Weights = { ["gold"] = 3 } });
        for (int at = 0; at < 400; at++)
        {
            Add(queue, 0, "gold", cost: 10);
            Add(queue, 1, "plain", cost: 10);
        }

        Assert.InRange(Drain(queue).Take(400).Count(value => value == 0), 299, 301);
    }

    [Fact]
    public void While_projects_wait_their_service_by_weight_differs_by_at_most_one_request_of_each()
    {
        var random = new Random(76);
        for (int round = 0; round < 40; round++)
        {
            string[] projects = [.. Enumerable.Range(0, random.Next(2, 8)).Select(at => $"p{at}")];
            var options = new FairQueueOptions { MaxLength = 100_000, MaxPerProject = 100_000 };
            foreach (string project in projects)
            {
                options.Weights[project] = 0.25 + (random.NextDouble() * 4);
            }

            double[] largest = [.. projects.Select(_ => 1 + (random.NextDouble() * 1000))];
            var queue = new FairQueue<int>(options);
            for (int at = 0; at < 200 * projects.Length; at++)
            {
                int project = random.Next(projects.Length);
                Add(queue, project, projects[project], cost: 1 + (random.NextDouble() * (largest[project] - 1)));
            }

            // Any interval in which two projects both wait: here all that begin at the start or at some served requests.
            var service = new double[projects.Length];
            var marks = new List<double[]> { (double[])service.Clone() };
            int[] left = [.. projects.Select((_, project) => 0)];
            var entries = new List<QueueEntry<int>>();
            while (queue.TryDequeue(Start, out QueueEntry<int>? entry))
            {
                entries.Add(entry);
                left[entry.Value]++;
            }

            foreach (QueueEntry<int> entry in entries)
            {
                if (left.Any(count => count == 0))
                {
                    break;
                }

                left[entry.Value]--;
                service[entry.Value] += entry.Cost / options.Weights[projects[entry.Value]];
                foreach (double[] mark in marks)
                {
                    for (int a = 0; a < projects.Length; a++)
                    {
                        for (int b = 0; b < a; b++)
                        {
                            double apart = Math.Abs(service[a] - mark[a] - (service[b] - mark[b]));
                            double bound = (largest[a] / options.Weights[projects[a]]) + (largest[b] / options.Weights[projects[b]]);
                            Assert.True(apart <= bound + 1e-6, $"{apart} is more than {bound}");
                        }
                    }
                }

                if (random.Next(40) == 0)
                {
                    marks.Add((double[])service.Clone());
                }
            }
        }
    }

    [Fact]
    public void A_low_class_gets_its_turn_under_a_load_of_higher_ones()
    {
        var queue = new FairQueue<int>(new FairQueueOptions { LongestClassWait = TimeSpan.FromSeconds(5) });
        for (int at = 0; at < 4; at++)
        {
            Add(queue, -at - 1, "low", priority: -8);
        }

        var lowAt = new List<double>();
        for (int second = 0; second < 25; second++)
        {
            TimeSpan now = Start + TimeSpan.FromSeconds(second);
            Add(queue, second, "high", priority: 7, now: now);
            Add(queue, second, "high", priority: 7, now: now);
            Assert.True(queue.TryDequeue(now, out QueueEntry<int>? entry));
            if (entry.Value < 0)
            {
                lowAt.Add(second);
            }
        }

        Assert.Equal([5, 10, 15, 20], lowAt);
    }

    [Fact]
    public void Without_ageing_priorities_are_strict()
    {
        var queue = new FairQueue<int>(new FairQueueOptions { LongestClassWait = TimeSpan.Zero });
        Add(queue, 1, "low", priority: -1);
        Add(queue, 2, "high", priority: 1);

        Assert.True(queue.TryDequeue(Start + TimeSpan.FromDays(1), out QueueEntry<int>? entry));
        Assert.Equal(2, entry.Value);
    }

    [Fact]
    public void A_full_queue_refuses_and_says_so()
    {
        var queue = new FairQueue<int>(new FairQueueOptions { MaxLength = 3, MaxPerProject = 2 });
        Add(queue, 1, "a");
        QueueEntry<int> second = Add(queue, 2, "a");

        Assert.Equal(EnqueueOutcome.ProjectFull, queue.TryEnqueue(3, "a", 5, 1, Start, out QueueEntry<int>? refused));
        Assert.Null(refused);
        Add(queue, 4, "b");
        Assert.Equal(EnqueueOutcome.QueueFull, queue.TryEnqueue(5, "c", 5, 1, Start, out _));

        Assert.True(queue.Remove(second));
        Add(queue, 6, "a");
        Assert.Equal([1, 4, 6], Drain(queue));
    }

    [Fact]
    public void One_that_leaves_costs_its_project_nothing()
    {
        var queue = new FairQueue<int>(new FairQueueOptions());
        QueueEntry<int> dear = Add(queue, 1, "a", cost: 1_000_000);
        Add(queue, 2, "a");
        Add(queue, 3, "b");
        Add(queue, 4, "b");

        Assert.True(queue.Remove(dear));
        Assert.False(queue.Remove(dear));
        Assert.False(dear.IsWaiting);

        Assert.Equal([2, 3, 4], Drain(queue));
    }

    [Fact]
    public void Looking_does_not_take()
    {
        var queue = new FairQueue<int>(new FairQueueOptions());
        Assert.False(queue.TryPeek(Start, out _));
        Assert.False(queue.TryDequeue(Start, out _));
        Add(queue, 1, "a");

        Assert.True(queue.TryPeek(Start, out QueueEntry<int>? seen));
        Assert.True(queue.TryPeek(Start, out _));
        Assert.True(queue.TryDequeue(Start, out QueueEntry<int>? taken));
        Assert.Same(seen, taken);
        Assert.Equal(0, queue.Count);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_cost_that_is_none_is_a_mistake(double cost)
    {
        var queue = new FairQueue<int>(new FairQueueOptions());

        Assert.Throws<ArgumentOutOfRangeException>(() => queue.TryEnqueue(1, "a", 0, cost, Start, out _));
        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public void Any_use_gives_what_an_obvious_queue_gives()
    {
        var random = new Random(77);
        for (int round = 0; round < 60; round++)
        {
            var options = new FairQueueOptions { MaxLength = random.Next(5, 400), MaxPerProject = random.Next(3, 100), LongestClassWait = TimeSpan.FromSeconds(random.Next(3)) };
            options.Weights["p1"] = 2.5;
            options.Weights["p2"] = 0.5;
            var queue = new FairQueue<int>(options);
            var reference = new ObviousQueue(options);
            var waiting = new List<QueueEntry<int>>();
            TimeSpan now = Start;
            int projects = round % 2 == 0 ? 6 : 300; // many: so that the served are forgotten
            for (int step = 0; step < 1500; step++)
            {
                now += TimeSpan.FromMilliseconds(random.Next(300));
                switch (random.Next(step % 500 < 250 ? 8 : 5))
                {
                    case 0 or 1 or 2 when queue.Count > 0:
                        Assert.True(queue.TryDequeue(now, out QueueEntry<int>? entry));
                        Assert.Equal(reference.Dequeue(now), entry.Value);
                        waiting.Remove(entry);
                        break;
                    case 3 when waiting.Count > 0:
                        int at = random.Next(waiting.Count);
                        Assert.True(queue.Remove(waiting[at]));
                        reference.Remove(waiting[at].Value);
                        waiting.RemoveAt(at);
                        break;
                    default:
                        string project = $"p{random.Next(projects)}";
                        int priority = random.Next(-1, 2);
                        double cost = random.Next(1, 50);
                        EnqueueOutcome outcome = queue.TryEnqueue(step, project, priority, cost, now, out QueueEntry<int>? added);
                        Assert.Equal(reference.Enqueue(step, project, priority, cost, now), outcome);
                        if (added is not null)
                        {
                            waiting.Add(added);
                        }

                        break;
                }

                Assert.Equal(waiting.Count, queue.Count);
            }
        }
    }

    [Fact]
    public void Every_request_is_served_in_the_end_whatever_else_keeps_coming()
    {
        var random = new Random(78);
        var queue = new FairQueue<int>(new FairQueueOptions { LongestClassWait = TimeSpan.FromSeconds(1) });
        TimeSpan now = Start;
        for (int at = 0; at < 30; at++)
        {
            Add(queue, -1, $"old{at % 5}", priority: random.Next(-8, 0), cost: random.Next(1, 1000));
        }

        int left = 30;
        for (int step = 0; left > 0; step++)
        {
            Assert.True(step < 2000, $"{left} requests are starved");
            now += TimeSpan.FromSeconds(0.1);
            if (queue.Count < 500)
            {
                Add(queue, 1, $"new{random.Next(20)}", priority: random.Next(8), now: now);
                Add(queue, 1, $"new{random.Next(20)}", priority: random.Next(-8, 8), now: now);
            }

            queue.TryDequeue(now, out QueueEntry<int>? entry);
            left -= entry!.Value < 0 ? 1 : 0;
        }
    }

    private static QueueEntry<int> Add(FairQueue<int> queue, int value, string project, int priority = 0, double cost = 1, TimeSpan? now = null)
    {
        Assert.Equal(EnqueueOutcome.Queued, queue.TryEnqueue(value, project, priority, cost, now ?? Start, out QueueEntry<int>? entry));
        return entry!;
    }

    private static List<int> Drain(FairQueue<int> queue)
    {
        var values = new List<int>();
        while (queue.TryDequeue(Start, out QueueEntry<int>? entry))
        {
            values.Add(entry.Value);
        }

        return values;
    }

    /// <summary>The same rules over plain lists, every tag computed anew when it is asked for.</summary>
    private sealed class ObviousQueue(FairQueueOptions options)
    {
        private readonly List<Waiting> _waiting = [];
        private readonly Dictionary<int, double> _virtualTime = [];
        private readonly Dictionary<int, TimeSpan> _since = [];
        private readonly Dictionary<(int Priority, string Project), double> _finish = [];

        public EnqueueOutcome Enqueue(int value, string project, int priority, double cost, TimeSpan now)
        {
            if (_waiting.Count == options.MaxLength)
            {
                return EnqueueOutcome.QueueFull;
            }

            if (_waiting.Count(each => each.Project == project) == options.MaxPerProject)
            {
                return EnqueueOutcome.ProjectFull;
            }

            if (!_waiting.Exists(each => each.Priority == priority))
            {
                _since[priority] = now;
                _virtualTime[priority] = 0;
                foreach ((int, string) key in _finish.Keys.Where(key => key.Priority == priority).ToList())
                {
                    _finish.Remove(key);
                }
            }

            _waiting.Add(new Waiting(value, project, priority, cost, _virtualTime[priority]));
            return EnqueueOutcome.Queued;
        }

        public void Remove(int value) => _waiting.RemoveAll(each => each.Value == value);

        public int Dequeue(TimeSpan now)
        {
            List<int> classes = [.. _waiting.Select(each => each.Priority).Distinct().OrderDescending()];
            int longest = classes.MinBy(each => _since[each]);
            bool aged = options.LongestClassWait > TimeSpan.Zero && now - _since[longest] >= options.LongestClassWait;
            int priority = aged ? longest : classes[0];
            Waiting next = _waiting
                .Where(each => each.Priority == priority)
                .GroupBy(each => each.Project)
                .Select(group => group.First())
                .MinBy(Tag)!;
            double tag = Tag(next);
            _virtualTime[priority] = tag;
            _finish[(priority, next.Project)] = tag + (next.Cost / (options.Weights.TryGetValue(next.Project, out double weight) ? weight : 1));
            _since[priority] = now;
            _waiting.Remove(next);
            return next.Value;
        }

        private double Tag(Waiting first) => Math.Max(first.VirtualArrival, _finish.GetValueOrDefault((first.Priority, first.Project)));

        private sealed record Waiting(int Value, string Project, int Priority, double Cost, double VirtualArrival);
    }
}
