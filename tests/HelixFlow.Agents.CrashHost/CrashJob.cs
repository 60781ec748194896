using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.CrashHost;

/// <summary>A job with steps of all classes, one after another and at the same time, a large value, a signal, a delay and children; each effect leaves a file.</summary>
/// <param name="journal">Where the outputs of children are read.</param>
/// <param name="effects">The folder of the files.</param>
public sealed class CrashJob(Journal.Journal journal, string effects) : IJobType
{
    /// <summary>The type's name.</summary>
    public const string TypeName = "crash";

    /// <summary>The signal that it waits for.</summary>
    public const string Signal = "go";

    private const int Children = 2;

    /// <inheritdoc />
    public string Name => TypeName;

    /// <inheritdoc />
    public string Description => "Leaves effects behind.";

    /// <inheritdoc />
    public JsonElement InputSchema { get; } = JsonElement.Parse("{}");

    /// <inheritdoc />
    public JsonElement OutputSchema { get; } = JsonElement.Parse("{}");

    /// <inheritdoc />
    public async Task<JsonElement> RunAsync(Run run, CancellationToken cancellationToken)
    {
        var results = new List<string>();
        foreach (EffectClass effect in (EffectClass[])[EffectClass.Pure, EffectClass.Recorded, EffectClass.Idempotent, EffectClass.Unsafe])
        {
            results.Add(await run.StepAsync($"step-{effect}", Step(run, effect), $"{run.Record.Id} {results.Count}", cancellationToken).ConfigureAwait(false));
        }

        await run.ReportAsync(50, "half way", cancellationToken).ConfigureAwait(false);
        results.AddRange(await Task.WhenAll(Enumerable.Range(0, 2).Select(i =>
            run.StepAsync($"branch-{i}", Step(run, EffectClass.Recorded), $"{run.Record.Id} {i}", cancellationToken))).ConfigureAwait(false));
        results.Add((await run.SignalAsync("signal", Signal, cancellationToken).ConfigureAwait(false)).GetRawText());
        IReadOnlyList<RunRecord> children = await run.ChildrenAsync("children", [.. Enumerable.Range(0, Children).Select(i => new RunRequest
        {
            Project = "", Type = CrashChild.TypeName, Input = Encoding.UTF8.GetBytes(i.ToString(CultureInfo.InvariantCulture)),
            Options = new RunOptions { BackoffMs = 1, MaxAttempts = 1000, LeaseMs = run.Record.Options.LeaseMs },
        })], cancellationToken).ConfigureAwait(false);
        foreach (RunRecord child in children)
        {
            results.Add(Encoding.UTF8.GetString(await journal.ReadAsync(child.Output!, cancellationToken).ConfigureAwait(false)));
        }

        await run.DelayAsync("delay", TimeSpan.FromMilliseconds(1), cancellationToken).ConfigureAwait(false);
        results.Add((await run.StepAsync("large", Large(run), run.Record.Id, cancellationToken).ConfigureAwait(false)).Length.ToString(CultureInfo.InvariantCulture));
        return JsonSerializer.SerializeToElement(results, CrashJson.Default.ListString);
    }

    private StepExecutor<string, string> Step(Run run, EffectClass effect) => new(
        $"touch-{effect}", 1, effect, CrashJson.Default.String, CrashJson.Default.String,
        (_, context, _) => Task.FromResult(Effect.Leave(effects, run.Record.Id, context.Address, effect, run.Record.Fence)));

    private StepExecutor<string, string> Large(Run run) => new(
        "large", 1, EffectClass.Recorded, CrashJson.Default.String, CrashJson.Default.String,
        (_, context, _) => Task.FromResult(Effect.Leave(effects, run.Record.Id, context.Address, EffectClass.Recorded, run.Record.Fence) + new string('x', 50_000)));
}

/// <summary>A child of <see cref="CrashJob"/>.</summary>
public sealed class CrashChild(string effects) : IJobType
{
    /// <summary>The type's name.</summary>
    public const string TypeName = "crash-child";

    /// <inheritdoc />
    public string Name => TypeName;

    /// <inheritdoc />
    public string Description => "Leaves one effect behind.";

    /// <inheritdoc />
    public JsonElement InputSchema { get; } = JsonElement.Parse("{}");

    /// <inheritdoc />
    public JsonElement OutputSchema { get; } = JsonElement.Parse("{}");

    /// <inheritdoc />
    public async Task<JsonElement> RunAsync(Run run, CancellationToken cancellationToken)
    {
        var step = new StepExecutor<string, string>("touch-child", 1, EffectClass.Recorded, CrashJson.Default.String, CrashJson.Default.String, (_, context, _) =>
            Task.FromResult(Effect.Leave(effects, run.Record.Id, context.Address, EffectClass.Recorded, run.Record.Fence)));
        string result = await run.StepAsync("only", step, run.Record.Id, cancellationToken).ConfigureAwait(false);
        return JsonSerializer.SerializeToElement(result, CrashJson.Default.String);
    }
}

[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(List<string>))]
internal sealed partial class CrashJson : JsonSerializerContext;
