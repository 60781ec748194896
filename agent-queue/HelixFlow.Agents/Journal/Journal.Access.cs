using HelixFlow.Agents.Values;

namespace HelixFlow.Agents.Journal;

/// <summary>What workers that do the jobs of one project alone may see.</summary>
public sealed partial class Journal
{
    /// <summary>The project of a lease's run, whether the lease holds or not; null when there is no such run.</summary>
    internal Task<string?> OwnerAsync(Lease lease, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.First("select project from runs where number = $1", static row => row.GetString(0), lease.Run), cancellationToken);

    /// <summary>Whether a project has a value: as an input or output of a run or a step, as a file, or as a result that its runs share.</summary>
    /// <remarks>Who can name a small value has it.</remarks>
    internal Task<bool> HasValueAsync(string project, string hash, CancellationToken cancellationToken) => ValueReference.IsValue(hash) ? Task.FromResult(true) : database.ReadAsync(
        session => session.Number(
            """
            select case when exists (select 1 from runs where input = $2 and project = $1) or exists (select 1 from runs where output = $2 and project = $1)
              or exists (select 1 from steps, runs where steps.output = $2 and number = run and project = $1)
              or exists (select 1 from artifacts, runs where hash = $2 and number = run and project = $1)
              or exists (select 1 from kept, runs where hash = $2 and number = run and project = $1)
              or exists (select 1 from uploads where project = $1 and hash = $2) or exists (select 1 from cache where namespace = $1 and output = $2) then 1 else 0 end
            """,
            project, hash) == 1,
        cancellationToken);
}
