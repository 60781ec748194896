using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Catalog;

/// <summary>The job types that can be asked for, with their schemas read: the host's own, and those that workers elsewhere have told of.</summary>
/// <remarks>
/// Any thread may read it, also while types are added; what it then sees is all of the one state or all of the other. Workers of one project tell of types for
/// that project alone; where others have a type of the name, theirs is left out.
/// </remarks>
public sealed class JobCatalog
{
    private readonly SortedDictionary<string, Entry> _own = new(StringComparer.Ordinal);
    private SortedDictionary<string, Entry> _types;
    private Dictionary<string, SortedDictionary<string, Entry>> _ofProjects = new(StringComparer.Ordinal); // with those of all, for projects that have types of their own

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

    /// <summary>The types that every project can ask for, by name.</summary>
    public IEnumerable<JobTypeEntry> Types => Volatile.Read(ref _types).Values.Select(static entry => entry.Type);

    /// <summary>The types that a project can ask for, by name.</summary>
    public IEnumerable<JobTypeEntry> TypesOf(string project) => For(project).Values.Select(static entry => entry.Type);

    /// <summary>The type of this name whose code the host itself has; null when there is none.</summary>
    public IJobType? Find(string type) => _own.GetValueOrDefault(type)?.Code;

    /// <summary>Whether there is a type of this name.</summary>
    public bool Knows(string type, string project = "") => For(project).ContainsKey(type);

    /// <summary>How runs of a type are tried where those who ask say nothing.</summary>
    public RunOptions OptionsOf(string type, string project = "") => For(project).GetValueOrDefault(type)?.Type.Options ?? new RunOptions();

    /// <summary>What is wrong with an input for a type that is known.</summary>
    public IReadOnlyList<(string Pointer, string Detail)> Check(string type, JsonElement input, string project = "") => For(project)[type].Input.Check(input);

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
        ILookup<string, JobTypeEntry> byProject = told.ToLookup(static type => type.Project ?? "", StringComparer.Ordinal);
        SortedDictionary<string, Entry> types = With(_own, byProject[""]);
        Dictionary<string, SortedDictionary<string, Entry>> ofProjects = byProject.Where(static group => group.Key.Length > 0)
            .ToDictionary(static group => group.Key, group => With(types, group), StringComparer.Ordinal);
        Volatile.Write(ref _types, types);
        Volatile.Write(ref _ofProjects, ofProjects);
    }

    private SortedDictionary<string, Entry> For(string project) => Volatile.Read(ref _ofProjects).GetValueOrDefault(project) ?? Volatile.Read(ref _types);

    private static SortedDictionary<string, Entry> With(SortedDictionary<string, Entry> known, IEnumerable<JobTypeEntry> told)
    {
        var types = new SortedDictionary<string, Entry>(known, StringComparer.Ordinal);
        foreach (JobTypeEntry type in told)
        {
            try
            {
                types.TryAdd(type.Name, new Entry(type, Read(type), null));
            }
            catch (ArgumentException)
            {
                // Another version of the program has taken a schema that this one cannot check: here jobs of the type cannot be asked for.
            }
        }

        return types;
    }

    private sealed record Entry(JobTypeEntry Type, ValueSchema Input, IJobType? Code);
}
