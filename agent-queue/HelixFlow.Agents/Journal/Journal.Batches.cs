namespace HelixFlow.Agents.Journal;

/// <summary>A request among others that are made together.</summary>
/// <param name="Name">Its name among them.</param>
/// <param name="Request">What is asked for; its dependencies are names of the others, or ids of runs.</param>
public sealed record NamedRequest(string Name, RunRequest Request);

/// <summary>What became of requests that were made together: all or nothing.</summary>
/// <param name="Starts">The runs in the order of the requests; null when there are none.</param>
/// <param name="Cycle">The names that depend on one another in a circle, the first again at the end; null when there is no circle.</param>
/// <param name="Refused">The name of the first request that is not possible, and why; null when all are.</param>
public sealed record BatchStart(IReadOnlyList<RunStart>? Starts, IReadOnlyList<string>? Cycle, (string Name, RunStart Start)? Refused);

public sealed partial class Journal
{
    /// <summary>Asks for several runs in one transaction, which may depend on one another by their names.</summary>
    /// <exception cref="ArgumentException">A name is there twice.</exception>
    /// <exception cref="FormatException">An input is no JSON that has a canonical form.</exception>
    public async Task<BatchStart> RequestAllAsync(IReadOnlyList<NamedRequest> requests, CancellationToken cancellationToken)
    {
        Dictionary<string, NamedRequest> byName = requests.ToDictionary(static request => request.Name, StringComparer.Ordinal);
        var order = new List<NamedRequest>();
        if (CycleIn(requests, byName, order) is { } cycle)
        {
            return new BatchStart(null, cycle, null);
        }

        var inputs = new Dictionary<string, (StoredValue Value, HashSet<string> Files)>(StringComparer.Ordinal);
        foreach (NamedRequest request in requests)
        {
            byte[] input = CanonicalOf(request.Request.Input);
            inputs[request.Name] = (await StoreAsync(input, cancellationToken).ConfigureAwait(false), ArtifactReference.In(input));
        }

        try
        {
            Dictionary<string, RunStart> starts = await WriteAsync(change => InsertAll(change, order, inputs), cancellationToken).ConfigureAwait(false);
            return new BatchStart([.. requests.Select(request => starts[request.Name])], null, null);
        }
        catch (BatchRefusedException refused)
        {
            return new BatchStart(null, null, (refused.Name, refused.Start));
        }
    }

    private Dictionary<string, RunStart> InsertAll(Change change, List<NamedRequest> order, Dictionary<string, (StoredValue Value, HashSet<string> Files)> inputs)
    {
        var starts = new Dictionary<string, RunStart>(StringComparer.Ordinal);
        foreach ((string name, RunRequest wanted) in order)
        {
            RunRequest request = wanted with { DependsOn = [.. wanted.DependsOn.Select(other => starts.TryGetValue(other, out RunStart? earlier) ? earlier.Run!.Id : other)] };
            (StoredValue value, HashSet<string> files) = inputs[name];
            RunStart start = Insert(change, request, DigestOf(request, value.Reference), value, files);
            starts[name] = start.Kind is RunStartKind.Created or RunStartKind.Existing ? start : throw new BatchRefusedException(name, start);
        }

        return starts;
    }

    /// <summary>Puts requests behind those that they depend on; a circle of names when there is one.</summary>
    private static List<string>? CycleIn(IReadOnlyList<NamedRequest> requests, Dictionary<string, NamedRequest> byName, List<NamedRequest> order)
    {
        var path = new List<string>(); // from the request that was begun with down to the one that is looked at
        var isDone = new HashSet<string>(StringComparer.Ordinal);
        var open = new Stack<(string Name, int Next)>();
        foreach (NamedRequest first in requests)
        {
            open.Push((first.Name, 0));
            while (open.TryPop(out (string Name, int Next) at))
            {
                if (isDone.Contains(at.Name))
                {
                    continue;
                }

                if (at.Next == 0)
                {
                    if (path.IndexOf(at.Name) is >= 0 and var start)
                    {
                        return [.. path[start..], at.Name];
                    }

                    path.Add(at.Name);
                }

                IReadOnlyList<string> others = byName[at.Name].Request.DependsOn;
                int next = at.Next;
                while (next < others.Count && (!byName.ContainsKey(others[next]) || isDone.Contains(others[next])))
                {
                    next++;
                }

                if (next < others.Count)
                {
                    open.Push((at.Name, next + 1));
                    open.Push((others[next], 0));
                    continue;
                }

                path.RemoveAt(path.Count - 1);
                isDone.Add(at.Name);
                order.Add(byName[at.Name]);
            }
        }

        return null;
    }

    /// <summary>Undoes the transaction.</summary>
    private sealed class BatchRefusedException(string name, RunStart start) : Exception($"The request {name} is refused: {start.Kind}.")
    {
        public string Name => name;

        public RunStart Start => start;
    }
}
