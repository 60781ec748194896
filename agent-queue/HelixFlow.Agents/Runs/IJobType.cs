using System.Text.Json;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Runs;

/// <summary>A kind of job: what it takes and what it does. Holds no state of any run: whatever must survive goes through <see cref="Run"/>.</summary>
public interface IJobType
{
    /// <summary>The name under which jobs of this type are asked for, for example <c>summarise</c>.</summary>
    string Name { get; }

    /// <summary>What it does, in a sentence, for people and for models that choose tools.</summary>
    string Description { get; }

    /// <summary>JSON Schema (2020-12) of the input.</summary>
    JsonElement InputSchema { get; }

    /// <summary>JSON Schema (2020-12) of the output.</summary>
    JsonElement OutputSchema { get; }

    /// <summary>How its runs are tried where those who ask say nothing; null for the defaults of <see cref="RunOptions"/>.</summary>
    RunOptions? Options => null;

    /// <summary>
    /// Does a run, or goes on with one: the code runs again from its beginning after a crash, a restart or a wait, and its steps return what they had recorded.
    /// </summary>
    /// <param name="run">The run; all that has an effect or costs something goes through its steps.</param>
    /// <param name="cancellationToken">The run was cancelled, its lease is lost, its time is up or the worker stops.</param>
    /// <returns>The output, as JSON.</returns>
    Task<JsonElement> RunAsync(Run run, CancellationToken cancellationToken);
}
