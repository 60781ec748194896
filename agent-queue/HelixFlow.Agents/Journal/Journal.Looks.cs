namespace HelixFlow.Agents.Journal;

/// <summary>That a worker has looked for runs of a type.</summary>
/// <param name="Type">The type.</param>
/// <param name="HasRoom">Whether it could have taken more than there were.</param>
/// <param name="BeganAt">When it began to look, as the journal's clock gives timestamps.</param>
public sealed record JournalLook(string Type, bool HasRoom, long BeganAt);

public sealed partial class Journal
{
    /// <summary>Called after a worker, here or at the other end of a connection to this process, has looked for runs: once for each type that it asked for.</summary>
    public event Action<JournalLook>? Looked;

    private void TellLooked(IReadOnlyDictionary<string, int> types, int most, List<Claim> claims, long beganAt)
    {
        if (Looked is { } looked)
        {
            foreach ((string type, int room) in types)
            {
                looked(new JournalLook(type, claims.Count < most && claims.Count(claim => claim.Run.Type == type) < room, beganAt));
            }
        }
    }
}
