using System.Text.Json;

namespace HelixFlow.Agents.Values;

/// <summary>Where two JSON values differ.</summary>
public static class JsonDifference
{
    private const int Most = 20;

    /// <summary>The places as JSON Pointers, the deepest that hold a whole difference; at most twenty.</summary>
    public static List<string> Between(ReadOnlyMemory<byte> a, ReadOnlyMemory<byte> b)
    {
        var places = new List<string>();
        if (a.Length > 0 && b.Length > 0)
        {
            using JsonDocument first = JsonDocument.Parse(a), second = JsonDocument.Parse(b);
            Compare(first.RootElement, second.RootElement, "", places);
        }

        return places;
    }

    private static void Compare(JsonElement a, JsonElement b, string place, List<string> places)
    {
        if (places.Count == Most || JsonElement.DeepEquals(a, b))
        {
            return;
        }

        if (a.ValueKind == JsonValueKind.Object && b.ValueKind == JsonValueKind.Object)
        {
            foreach (string name in a.EnumerateObject().Select(static member => member.Name).Union(b.EnumerateObject().Select(static member => member.Name), StringComparer.Ordinal))
            {
                string below = $"{place}/{name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}";
                Descend(a.TryGetProperty(name, out JsonElement first), first, b.TryGetProperty(name, out JsonElement second), second, below, places);
            }
        }
        else if (a.ValueKind == JsonValueKind.Array && b.ValueKind == JsonValueKind.Array)
        {
            for (int i = 0; i < Math.Max(a.GetArrayLength(), b.GetArrayLength()); i++)
            {
                bool inA = i < a.GetArrayLength(), inB = i < b.GetArrayLength();
                Descend(inA, inA ? a[i] : default, inB, inB ? b[i] : default, $"{place}/{i}", places);
            }
        }
        else
        {
            places.Add(place);
        }
    }

    private static void Descend(bool inA, JsonElement a, bool inB, JsonElement b, string place, List<string> places)
    {
        if (places.Count == Most)
        {
            return;
        }

        if (inA && inB)
        {
            Compare(a, b, place, places);
        }
        else
        {
            places.Add(place);
        }
    }
}
