using System.Collections.Immutable;

namespace HelixFlow.Engine.Models;

/// <summary>Which layers look through a sliding window: one number for each layer, 0 where it sees all positions.</summary>
internal static class LayerWindows
{
    /// <summary>Of every <paramref name="period"/> layers the last sees all positions; with a period of 1 all layers have the window.</summary>
    public static ImmutableArray<int> Periodic(int layers, int window, int period)
    {
        // A corrupt layer count must not be allocated; it is refused later, when the whole configuration is checked.
        if (layers is < 1 or > 1024)
        {
            return [];
        }

        return [.. Enumerable.Range(0, layers).Select(layer => period <= 1 || (layer + 1) % period != 0 ? window : 0)];
    }

    /// <summary>The first layers see all positions, those from <paramref name="firstLocal"/> on have the window (Qwen2).</summary>
    public static ImmutableArray<int> From(int layers, int window, int firstLocal) =>
        [.. Periodic(layers, window, 1).Select((value, layer) => layer >= firstLocal ? value : 0)];
}
