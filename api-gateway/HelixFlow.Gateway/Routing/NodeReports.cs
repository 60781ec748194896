using System.Runtime.InteropServices;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Routing;

/// <summary>Takes a node's state over into the table by which requests are routed.</summary>
internal static class NodeReports
{
    public static void Apply(NodeTable table, NodeConnection node, NodeState state, TimeSpan now)
    {
        LoadReport sum = default;
        var models = new List<ModelReport>(state.Models.Count);
        foreach (Schemas.Inference.V1.ModelState model in state.Models)
        {
            LoadReport load = LoadOf(model);
            sum = new LoadReport(
                sum.Waiting + load.Waiting, sum.Running + load.Running, sum.MaxSequences + load.MaxSequences, sum.FreeBlocks + load.FreeBlocks, sum.TotalBlocks + load.TotalBlocks);
            models.Add(model.Phase switch
            {
                ModelPhase.Resident => new ModelReport(model.Name, ModelReadiness.Resident, 0, load, model.Pinned ? 0 : (long)model.MemoryBytes * Math.Max(1, model.Replicas)),
                ModelPhase.Loading => new ModelReport(model.Name, ModelReadiness.Loading),
                _ => new ModelReport(model.Name, ModelReadiness.Loadable, (long)model.MemoryBytes),
            });
        }

        bool ready = state.Phase is NodePhase.Ready or NodePhase.Draining;
        node.View.Report(new NodeReport(ready, state.Phase == NodePhase.Draining, sum, FreeBytes(state), LargestModelBytes(state)), now);
        table.ReportModels(node.View, CollectionsMarshal.AsSpan(models));
        ApplyPrefixes(node, state);
    }

    private static LoadReport LoadOf(Schemas.Inference.V1.ModelState model) => new(
        (int)model.Waiting, (int)model.Running, (int)model.MaxSequences, (int)(model.KvBlocksTotal - model.KvBlocksHeld), (int)model.KvBlocksTotal);

    private static long FreeBytes(NodeState state)
    {
        long free = 0;
        foreach (DeviceState device in state.Devices)
        {
            if (device.Usable)
            {
                free = Math.Max(free, (long)device.BudgetBytes - (long)device.UsedBytes);
            }
        }

        return free;
    }

    private static long LargestModelBytes(NodeState state)
    {
        long largest = 0;
        foreach (DeviceState device in state.Devices)
        {
            largest = device.Usable ? Math.Max(largest, (long)device.BudgetBytes) : largest;
        }

        return largest;
    }

    private static void ApplyPrefixes(NodeConnection node, NodeState state)
    {
        if (node.StartedMs != state.StartedMs)
        {
            node.StartedMs = state.StartedMs;
            node.View.Prefixes.Clear();
        }

        if (state.Prefixes is not { } digest)
        {
            return;
        }

        if (digest.Full)
        {
            node.View.Prefixes.Replace([.. digest.Added]);
        }
        else if (digest.Added.Count + digest.Removed.Count > 0)
        {
            node.View.Prefixes.Apply([.. digest.Added], [.. digest.Removed]);
        }
    }
}
