using System.Text.Json;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Runs;

public sealed partial class Run
{
    /// <summary>Has other runs begun, and waits for none of them: <see cref="ChildrenAsync"/> or <see cref="ChildrenAsTheyEndAsync"/> with the same address and requests waits for these.</summary>
    /// <param name="address">The children's place in the run; used once to start them.</param>
    /// <param name="requests">As for <see cref="ChildrenAsync"/>.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>The children as they stand, in the order of the requests.</returns>
    public async Task<IReadOnlyList<RunRecord>> StartChildrenAsync(string address, IReadOnlyList<RunRequest> requests, CancellationToken cancellationToken)
    {
        if (_rehearsal is not null)
        {
            return await _rehearsal.ChildrenAsync(address, requests.Count, cancellationToken).ConfigureAwait(false);
        }

        using (_gate.Enter())
        {
            return await AskAllAsync(address, requests, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>What a child has given; null when it has not succeeded.</summary>
    public async Task<JsonElement?> OutputOfAsync(RunRecord child, CancellationToken cancellationToken) =>
        child.Output is { } hash ? JsonElement.Parse(await ReadAsync(hash, cancellationToken).ConfigureAwait(false)) : null;
}
