using HelixFlow.InferenceNode.Devices;

namespace HelixFlow.InferenceNode.Placement;

/// <summary>How a model could be divided over devices of one kind (tensor parallelism). Shown only: no backend of this build runs it.</summary>
/// <param name="Devices">One device a rank; as many as a power of two.</param>
/// <param name="BytesPerRank">What each of them would hold.</param>
public sealed record SplitPlan(IReadOnlyList<Device> Devices, long BytesPerRank)
{
    private const int MostRanks = 1024;

    /// <summary>The plan with the fewest ranks, on the devices with the largest budgets; null where even all devices of a kind hold too little.</summary>
    public static SplitPlan? Find(IReadOnlyList<Device> devices, ModelNeed need)
    {
        for (int ranks = 2; ranks <= Math.Min(devices.Count, MostRanks); ranks *= 2)
        {
            long bytes = need.BytesPerRank(ranks);
            SplitPlan? plan = devices.Where(device => device.BudgetBytes >= bytes)
                .GroupBy(device => device.Kind)
                .Where(kind => kind.Count() >= ranks)
                .OrderByDescending(kind => kind.First().CanRun)
                .Select(kind => new SplitPlan([.. kind.OrderByDescending(device => device.BudgetBytes).Take(ranks)], bytes))
                .FirstOrDefault();
            if (plan is not null)
            {
                return plan;
            }
        }

        return null;
    }
}
