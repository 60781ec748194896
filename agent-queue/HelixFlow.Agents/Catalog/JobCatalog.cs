using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Catalog;

/// <summary>The job types that can be asked for, with their schemas read: the host's own, and those that workers elsewhere have told of.</summary>
/// <remarks>Any thread may read it, also while types are added; what it then sees is all of the one state or all of the other.</remarks>
public sealed class JobCatalog
{
    private readonly SortedDictionary<string, Entry> _own = new(StringComparer.Ordinal);
    private SortedDictionary<string, Entry> _types;

    /// <summary>Reads the types' schemas.</summary>
    /// <exception cref="ArgumentException">Two types have one name, or a schema is wrong or says more than can be checked.</exception>
    public JobCatalog(IEnumerable<IJobType> types)
    {
        foreach (IJobType type in types)
        {
            var entry = new JobTypeEntry(type.Name, type.Description, type.InputSchema, type.OutputSchema, type.Options);
            if (!_own.TryAdd(type.Name, new Entry(entry, Read(entry), type)))
            {
                throw new ArgumentException($"The job type '{type.Name}' cannot be served: another type has the same name.");
            }
        }

        _types = _own;
    }

    /// <summary>The types, by name.</summary>
    public IEnumerable<JobTypeEntry> Types => Volatile.Read(ref _types).Values.Select(static entry => entry.Type);

    /// <summary>The type of this name whose code the host itself has; null when there is none.</summary>
    public IJobType? Find(string type) => _own.GetValueOrDefault(type)?.Code;

    /// <summary>Whether there is a type of this name.</summary>
    public bool Knows(string type) => Volatile.Read(ref _types).ContainsKey(type);

    /// <summary>How runs of a type are tried where those who ask say nothing.</summary>
    public RunOptions OptionsOf(string type) => Volatile.Read(ref _types).GetValueOrDefault(type)?.Type.Options ?? new RunOptions();

    /// <summary>What is wrong with an input for a type that is known.</summary>
    public IReadOnlyList<(string Pointer, string Detail)> Check(string type, JsonElement input) => Volatile.Read(ref _types)[type].Input.Check(input);

    /// <summary>Reads a type's schemas.</summary>
    /// <exception cref="ArgumentException">One of them is wrong, or says more than can be checked.</exception>
    internal static ValueSchema Read(JobTypeEntry type)
    {
        try
        {
            _ = ValueSchema.Parse(type.OutputSchema);
            return ValueSchema.Parse(type.InputSchema);
        }
        catch (ArgumentException exception)
        {
            throw new ArgumentException($"The job type '{type.Name}' cannot be served: {exception.Message}", exception);
        }
    }

    /// <summary>Takes in what workers can do, in place of what was told before. A type of the host itself stays as it is.</summary>
    internal void Replace(IEnumerable<JobTypeEntry> told)
    {
        var types = new SortedDictionary<string, Entry>(_own, StringComparer.Ordinal);
        foreach (JobTypeEntry type in told)
        {
            types.TryAdd(type.Name, new Entry(type, Read(type), null));
        }

        Volatile.Write(ref _types, types);
    }

    private sealed record Entry(JobTypeEntry Type, ValueSchema Input, IJobType? Code);
}
