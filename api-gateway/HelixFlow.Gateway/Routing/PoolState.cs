using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Routing;

/// <summary>Many nodes' states as one.</summary>
internal static class PoolState
{
    /// <summary>Models by name in the order of their first mention, occupancy and counters summed, the furthest phase of any node.</summary>
    public static NodeState Merge(IReadOnlyList<NodeState> nodes)
    {
        var pool = new NodeState { NodeId = "pool", Phase = nodes.Any(static node => node.Phase == NodePhase.Ready) ? NodePhase.Ready : NodePhase.Starting };
        var models = new Dictionary<string, Schemas.Inference.V1.ModelState>(StringComparer.Ordinal);
        foreach (NodeState node in nodes)
        {
            pool.Requests += node.Requests;
            pool.Devices.AddRange(node.Devices.Select(device =>
            {
                DeviceState named = device.Clone();
                named.Id = $"{node.NodeId}/{device.Id}";
                return named;
            }));
            foreach (Schemas.Inference.V1.ModelState model in node.Models)
            {
                if (models.TryGetValue(model.Name, out Schemas.Inference.V1.ModelState? sum))
                {
                    Add(sum, model);
                }
                else
                {
                    Schemas.Inference.V1.ModelState first = model.Clone();
                    models.Add(model.Name, first);
                    pool.Models.Add(first);
                }
            }
        }

        return pool;
    }

    private static void Add(Schemas.Inference.V1.ModelState sum, Schemas.Inference.V1.ModelState model)
    {
        sum.Phase = Rank(model.Phase) > Rank(sum.Phase) ? model.Phase : sum.Phase;
        sum.Progress = Math.Max(sum.Progress, model.Progress);
        sum.Waiting += model.Waiting;
        sum.Running += model.Running;
        sum.MaxSequences += model.MaxSequences;
        sum.KvBlocksTotal += model.KvBlocksTotal;
        sum.KvBlocksHeld += model.KvBlocksHeld;
        sum.KvBlocksCached += model.KvBlocksCached;
        sum.KvBlockSize = Math.Max(sum.KvBlockSize, model.KvBlockSize);
        sum.Pinned |= model.Pinned;
        sum.Replicas += model.Replicas;
        sum.PromptTokensTotal += model.PromptTokensTotal;
        sum.CachedTokensTotal += model.CachedTokensTotal;
        sum.ComputedTokensTotal += model.ComputedTokensTotal;
        sum.GeneratedTokensTotal += model.GeneratedTokensTotal;
        sum.StepsTotal += model.StepsTotal;
        sum.PreemptionsTotal += model.PreemptionsTotal;
        sum.ProposedTokensTotal += model.ProposedTokensTotal;
        sum.AcceptedTokensTotal += model.AcceptedTokensTotal;
        sum.Description ??= model.Description;
    }

    private static int Rank(ModelPhase phase) => phase switch
    {
        ModelPhase.Resident => 3,
        ModelPhase.Loading => 2,
        ModelPhase.Unloaded => 1,
        _ => 0,
    };
}
