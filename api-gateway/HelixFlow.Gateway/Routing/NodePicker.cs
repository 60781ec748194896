namespace HelixFlow.Gateway.Routing;

/// <summary>Chooses the node for a request.</summary>
/// <remarks>
/// <para>
/// Nodes that have the model loaded come first, then those that are loading it, then the one where loading is cheapest: fewest bytes to load,
/// then room without eviction, then the least used models to evict (<see cref="RoomCost"/>), then most free memory. Among the first two the policy decides. Of nodes that are about as good two are drawn and the less
/// loaded is taken (the power of two choices), so that gateways that see the same reports do not all choose the same node.
/// </para>
/// <para>
/// Guarded by the router's lock, as is the table it reads. Allocates nothing once its scratch space has grown to the number of nodes.
/// </para>
/// </remarks>
internal sealed class NodePicker
{
    private readonly NodeTable _nodes;
    private readonly RoutingPolicy _policy;
    private readonly double _tieMargin;
    private readonly NodeScore _score;
    private readonly RoomCost _room;
    private readonly Random _random;
    private Candidate[] _candidates = new Candidate[16];
    private int _count;

    /// <param name="nodes">The nodes to choose from.</param>
    /// <param name="options">Policy, weights and margins; copied.</param>
    /// <param name="random">Breaks ties; used under the lock only.</param>
    public NodePicker(NodeTable nodes, RoutingOptions options, Random random)
    {
        _nodes = nodes;
        _policy = options.Policy;
        _tieMargin = options.TieMargin;
        _score = new NodeScore(options);
        _room = new RoomCost(options.UseHalfLife);
        _random = random;
    }

    public PickOutcome Pick(in PickQuery query)
    {
        PickFacts facts = default;
        if (_nodes.Find(query.Model) is not { } replicas)
        {
            return new PickOutcome(PickKind.NoNodeForModel, null, 0, facts);
        }

        _count = 0;
        Collect(replicas.Warm, ModelReadiness.Resident, query, ref facts);
        if (_count == 0)
        {
            Collect(replicas.Warm, ModelReadiness.Loading, query, ref facts);
        }

        int chosen = -1;
        if (_count > 0)
        {
            chosen = ChooseWarm(replicas, query);
        }
        else if (facts.Full == 0 || query.MayLoadElsewhere)
        {
            Collect(replicas.Cold, ModelReadiness.Loadable, query, ref facts);
            chosen = _count > 0 ? ChooseCold(query.Now) : -1;
        }

        if (chosen < 0)
        {
            return new PickOutcome(facts.Full > 0 ? PickKind.AllBusy : PickKind.NoneReady, null, 0, facts);
        }

        ref readonly Candidate picked = ref _candidates[chosen];
        return new PickOutcome(PickKind.Picked, picked.Placement, picked.Matched, facts);
    }

    /// <summary>Takes the placements of this state that can have the request, and counts why the others cannot.</summary>
    private void Collect(List<ModelPlacement> placements, ModelReadiness state, in PickQuery query, ref PickFacts facts)
    {
        if (_candidates.Length < placements.Count)
        {
            _candidates = new Candidate[Math.Max(placements.Count, 2 * _candidates.Length)];
        }

        foreach (ModelPlacement placement in placements)
        {
            if (placement.State != state)
            {
                continue;
            }

            facts.Seen++;
            NodeView node = placement.Node;
            if (!node.Ready)
            {
                facts.NotReady++;
            }
            else if (node.Draining)
            {
                facts.Draining++;
            }
            else if (!node.Circuit.Admits(query.Now))
            {
                facts.Failing++;
            }
            else if (IsExcluded(query.Excluded, node))
            {
                facts.Excluded++;
            }
            else if (state != ModelReadiness.Loadable && _score.IsFull(placement.Load))
            {
                facts.Full++;
            }
            else
            {
                _candidates[_count++] = new Candidate { Placement = placement };
            }
        }
    }

    private static bool IsExcluded(ReadOnlySpan<NodeView> excluded, NodeView node)
    {
        foreach (NodeView tried in excluded)
        {
            if (ReferenceEquals(tried, node))
            {
                return true;
            }
        }

        return false;
    }

    private int ChooseWarm(ModelReplicas replicas, in PickQuery query)
    {
        switch (_policy)
        {
            case RoutingPolicy.Prefix:
                bool match = _score.UsesPrefix && !query.Chain.IsEmpty;
                for (int at = 0; at < _count; at++)
                {
                    ref Candidate candidate = ref _candidates[at];
                    candidate.Matched = match ? candidate.Placement.Node.Prefixes.LongestMatch(query.Chain) : 0;
                    candidate.Score = _score.Of(candidate.Placement, candidate.Matched, query.Chain.Length, query.Now);
                }

                return BestOrLike(_tieMargin, query.Now);

            case RoutingPolicy.LeastLoaded:
                for (int at = 0; at < _count; at++)
                {
                    _candidates[at].Score = _score.Free(_candidates[at].Placement, query.Now);
                }

                return BestOrLike(0, query.Now);

            case RoutingPolicy.RoundRobin:
                replicas.Turn = replicas.Turn == int.MaxValue ? 0 : replicas.Turn + 1;
                return replicas.Turn % _count;

            case RoutingPolicy.Random:
                return _random.Next(_count);

            default:
                throw new InvalidOperationException($"There is no policy {_policy}.");
        }
    }

    /// <summary>Draws two of the candidates whose score is within the margin of the best one and takes the less loaded.</summary>
    private int BestOrLike(double margin, TimeSpan now)
    {
        double best = double.NegativeInfinity;
        for (int at = 0; at < _count; at++)
        {
            best = Math.Max(best, _candidates[at].Score);
        }

        return DrawTwo(best - margin, now);
    }

    /// <summary>Draws two candidates, each equally likely, of those with at least this score (reservoir sampling), and takes the less loaded.</summary>
    private int DrawTwo(double least, TimeSpan now)
    {
        int seen = 0;
        int first = -1;
        int second = -1;
        for (int at = 0; at < _count; at++)
        {
            if (_candidates[at].Score < least)
            {
                continue;
            }

            int place = seen < 2 ? seen : _random.Next(seen + 1);
            seen++;
            if (place == 0)
            {
                first = at;
            }
            else if (place == 1)
            {
                second = at;
            }
        }

        if (second < 0)
        {
            return first;
        }

        double free = _score.Free(_candidates[first].Placement, now) - _score.Free(_candidates[second].Placement, now);
        return free > 0 || (free == 0 && _random.Next(2) == 0) ? first : second;
    }

    private int ChooseCold(TimeSpan now)
    {
        int best = 0;
        for (int at = 0; at < _count; at++)
        {
            ref Candidate candidate = ref _candidates[at];
            (candidate.Room, candidate.Uses) = _room.Of(candidate.Placement, now);
            best = Compare(candidate, _candidates[best]) < 0 ? at : best;
        }

        Candidate first = _candidates[best];
        for (int at = 0; at < _count; at++)
        {
            _candidates[at].Score = Compare(_candidates[at], first) == 0 ? 1 : 0;
        }

        return DrawTwo(1, now);

        static int Compare(in Candidate a, in Candidate b)
        {
            int order = a.Placement.LoadBytes.CompareTo(b.Placement.LoadBytes);
            order = order != 0 ? order : a.Room.CompareTo(b.Room);
            order = order != 0 ? order : a.Uses.CompareTo(b.Uses);
            return order != 0 ? order : b.Placement.Node.FreeBytes.CompareTo(a.Placement.Node.FreeBytes);
        }
    }

    private struct Candidate
    {
        public ModelPlacement Placement;
        public double Score;
        public int Matched;
        public RoomKind Room;
        public double Uses;
    }
}
