using System.Text.Json;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Catalog;

/// <summary>The job types that a host has, with their schemas read. Immutable.</summary>
public sealed class JobCatalog
{
    private readonly SortedDictionary<string, (IJobType Type, ValueSchema Input)> _types = new(StringComparer.Ordinal);

    /// <summary>Reads the types' schemas.</summary>
    /// <exception cref="ArgumentException">Two types have one name, or a schema is wrong or says more than can be checked.</exception>
    public JobCatalog(IEnumerable<IJobType> types)
    {
        foreach (IJobType type in types)
        {
            try
            {
                _ = ValueSchema.Parse(type.OutputSchema);
                if (!_types.TryAdd(type.Name, (type, ValueSchema.Parse(type.InputSchema))))
                {
                    throw new ArgumentException("another type has the same name.");
                }
            }
            catch (ArgumentException exception)
            {
                throw new ArgumentException($"The job type '{type.Name}' cannot be served: {exception.Message}", exception);
            }
        }
    }

    /// <summary>The types, by name.</summary>
    public IEnumerable<IJobType> Types => _types.Values.Select(static entry => entry.Type);

    /// <summary>The type of this name; null when there is none.</summary>
    public IJobType? Find(string type) => _types.TryGetValue(type, out (IJobType Type, ValueSchema Input) entry) ? entry.Type : null;

    /// <summary>Whether there is a type of this name.</summary>
    public bool Knows(string type) => _types.ContainsKey(type);

    /// <summary>What is wrong with an input for a type that is known.</summary>
    public IReadOnlyList<(string Pointer, string Detail)> Check(string type, JsonElement input) => _types[type].Input.Check(input);
}
