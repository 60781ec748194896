using System.Text.Json.Nodes;

namespace HelixFlow.Agents.Journal;

/// <summary>Makes events that older programs have stored into those of this program, one version after the other. Immutable.</summary>
/// <remarks>
/// A field that was added needs none: absent fields have their defaults. When a field is renamed, split or means something else, <see cref="JournalEvent.CurrentVersion"/> rises by one, and
/// what it was before is said here by the kind and the version from which it leads to the next. Kinds that a version did not change have no entry for it.
/// </remarks>
internal sealed class EventUpcasters(int currentVersion, IReadOnlyDictionary<(string Kind, int From), Func<JsonObject, JsonObject>> changes)
{
    /// <summary>Those of this program: no field has changed its meaning since version 1.</summary>
    public static EventUpcasters Current { get; } = new(JournalEvent.CurrentVersion, new Dictionary<(string, int), Func<JsonObject, JsonObject>>());

    /// <summary>An event's body as the current version has it.</summary>
    public string Raise(string kind, int version, string body)
    {
        JsonObject? raised = null;
        for (int from = version; from < currentVersion; from++)
        {
            if (changes.TryGetValue((kind, from), out Func<JsonObject, JsonObject>? change))
            {
                raised = change(raised ?? JsonNode.Parse(body)!.AsObject());
            }
        }

        return raised?.ToJsonString() ?? body;
    }
}
