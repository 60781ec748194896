using System.Globalization;
using HelixFlow.InferenceNode.Devices;

namespace HelixFlow.InferenceNode.Placement;

/// <summary>Words the reasons for which a model cannot be placed.</summary>
internal static class Refusals
{
    /// <summary>For a model that no device can ever hold; null where one can.</summary>
    public static PlacementRefusal? NeverFits(string model, ModelNeed need, IReadOnlyList<Device> devices)
    {
        Device? largest = null;
        Device? withoutBackend = null;
        foreach (Device device in devices)
        {
            if (device.BudgetBytes >= need.TotalBytes)
            {
                if (device.CanRun)
                {
                    return null;
                }

                withoutBackend ??= device;
            }

            largest = largest is null || Rank(device).CompareTo(Rank(largest)) > 0 ? device : largest;
        }

        string sizes = largest is null
            ? $"The model '{model}' needs {need}, but there is no device."
            : $"The model '{model}' needs {need}, but the largest budget is {ByteText.Of(largest.BudgetBytes)} ({largest.Id}).";
        if (withoutBackend is not null)
        {
            return new PlacementRefusal($"{sizes} {withoutBackend.Id} ({withoutBackend.Name}) could hold it, but this build has no backend for that device.");
        }

        if (SplitPlan.Find(devices, need) is not { } split)
        {
            return new PlacementRefusal(sizes);
        }

        string count = split.Devices.Count.ToString(CultureInfo.InvariantCulture);
        return new PlacementRefusal(
            $"{sizes} It needs {count} devices together ({Ids(split)}, {ByteText.Of(split.BytesPerRank)} each); " +
            "running a model across devices is not supported by this build's backends.",
            split);
    }

    /// <summary>For a model that pinned ones keep out.</summary>
    public static PlacementRefusal Pinned(ModelEntry model, DeviceRoom mostFree) => new(
        $"The model '{model.Name}' needs {model.Need}, but pinned models leave no more than {ByteText.Of(mostFree.Budget - mostFree.PinnedBytes())} " +
        $"of a device's budget ({mostFree.Device.Id}: {ByteText.Of(mostFree.PinnedBytes())} of {ByteText.Of(mostFree.Budget)} are pinned).");

    /// <summary>Devices that can run models come first, then the larger ones.</summary>
    private static (bool CanRun, long Budget) Rank(Device device) => (device.CanRun, device.BudgetBytes);

    private static string Ids(SplitPlan split) => string.Join(", ", split.Devices.Select(device => device.Id));
}
