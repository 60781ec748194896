using System.Text.Json;

namespace HelixFlow.Agents.JobTypes.Agents.Tools;

/// <summary>
/// Selects values from JSON: RFC 9535 without functions. Names, indices, slices, wildcards, descendants and filters with comparisons. Immutable.
/// </summary>
internal sealed class JsonPath
{
    private const int MostVisits = 1_000_000; // nested descendants look at the same values again and again

    private readonly IReadOnlyList<Segment> _segments;

    private JsonPath(IReadOnlyList<Segment> segments) => _segments = segments;

    /// <summary>Picks values from one; the root is there for filters.</summary>
    internal delegate IEnumerable<JsonElement> Selector(JsonElement value, JsonElement root, Budget budget);

    /// <summary>Reads a path.</summary>
    /// <exception cref="FormatException">It is none; the message names the place.</exception>
    public static JsonPath Parse(string path) => new(new JsonPathParser(path).Path());

    /// <summary>The values that a path leads to, in order.</summary>
    /// <exception cref="FormatException">That would take too long.</exception>
    public IReadOnlyList<JsonElement> Select(JsonElement root) => [.. Select(_segments, root, root, new Budget())];

    internal static IEnumerable<JsonElement> Select(IReadOnlyList<Segment> segments, JsonElement from, JsonElement root, Budget budget)
    {
        IEnumerable<JsonElement> values = [from];
        foreach (Segment segment in segments)
        {
            values = values.SelectMany(value => segment.Apply(value, root, budget));
        }

        return values;
    }

    internal static IEnumerable<JsonElement> Children(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => value.EnumerateArray(),
        JsonValueKind.Object => value.EnumerateObject().Select(static member => member.Value),
        _ => [],
    };

    private static IEnumerable<JsonElement> WithDescendants(JsonElement value, Budget budget)
    {
        budget.Visit();
        yield return value;
        foreach (JsonElement child in Children(value))
        {
            foreach (JsonElement below in WithDescendants(child, budget))
            {
                yield return below;
            }
        }
    }

    /// <summary>One step of a path: selectors, for a value or for it and all below it.</summary>
    internal sealed record Segment(IReadOnlyList<Selector> Selectors, bool IsDescendant)
    {
        public IEnumerable<JsonElement> Apply(JsonElement value, JsonElement root, Budget budget)
        {
            foreach (JsonElement from in IsDescendant ? WithDescendants(value, budget) : [value])
            {
                foreach (Selector selector in Selectors)
                {
                    foreach (JsonElement selected in selector(from, root, budget))
                    {
                        budget.Visit();
                        yield return selected;
                    }
                }
            }
        }
    }

    /// <summary>How much a query may still look at.</summary>
    internal sealed class Budget
    {
        private int _visits;

        public void Visit()
        {
            if (++_visits > MostVisits)
            {
                throw new FormatException($"The path looks at more than {MostVisits} values.");
            }
        }
    }
}
