using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.CrashHost;

/// <summary>What a <see cref="TrialJob"/> may do, one after another.</summary>
public enum TrialMove
{
    /// <summary>A step of this class.</summary>
    Pure,

    /// <inheritdoc cref="Pure" />
    Recorded,

    /// <inheritdoc cref="Pure" />
    Idempotent,

    /// <inheritdoc cref="Pure" />
    Unsafe,

    /// <summary>A pure step whose output other runs of the project may use.</summary>
    Shared,

    /// <summary>A step with an output that is kept outside the database.</summary>
    Large,

    /// <summary>Three steps at the same time.</summary>
    Branch,

    /// <summary>A step that fails when it is done for the first time.</summary>
    Flaky,

    /// <summary>Progress is told.</summary>
    Progress,

    /// <summary>A file is kept.</summary>
    Artifact,

    /// <summary>Waits for a signal.</summary>
    Signal,

    /// <summary>Waits for two other runs.</summary>
    Children,

    /// <summary>Waits for a moment.</summary>
    Delay,

    /// <summary>Fails for good.</summary>
    Hopeless,
}

/// <summary>A job whose input says what it does. Whatever it writes tells under which claim it was written.</summary>
/// <param name="effects">The folder in which steps leave their effects.</param>
public sealed class TrialJob(string effects) : IJobType
{
    /// <summary>The type's name.</summary>
    public const string TypeName = "trial";

    /// <summary>The signal that it waits for.</summary>
    public const string Signal = "go";

    private const int Children = 2;
    private static readonly TimeSpan StepTime = TimeSpan.FromMilliseconds(8);

    /// <inheritdoc />
    public string Name => TypeName;

    /// <inheritdoc />
    public string Description => "Does what its input says, and leaves effects behind.";

    /// <inheritdoc />
    public JsonElement InputSchema { get; } = JsonElement.Parse("{}");

    /// <inheritdoc />
    public JsonElement OutputSchema { get; } = JsonElement.Parse("{}");

    /// <summary>The input that makes it do these moves.</summary>
    public static byte[] InputOf(IReadOnlyList<TrialMove> moves) => Encoding.UTF8.GetBytes($"[{string.Join(',', moves.Select(static move => (int)move))}]");

    /// <inheritdoc />
    public async Task<JsonElement> RunAsync(Run run, CancellationToken cancellationToken)
    {
        var results = new List<string> { UnderOf(run) };
        int place = 0;
        foreach (JsonElement move in run.Input.EnumerateArray())
        {
            string address = string.Create(CultureInfo.InvariantCulture, $"{place++}");
            await DoAsync((TrialMove)move.GetInt32(), address, run, results, cancellationToken).ConfigureAwait(false);
        }

        return JsonSerializer.SerializeToElement(results, CrashJson.Default.ListString);
    }

    /// <summary>What a run's code writes where no effect's name can be: under which claim it does.</summary>
    public static string UnderOf(Run run) => string.Create(CultureInfo.InvariantCulture, $"under {run.Record.Fence}");

    private async Task DoAsync(TrialMove move, string at, Run run, List<string> results, CancellationToken cancellationToken)
    {
        switch (move)
        {
            case TrialMove.Shared:
                results.Add(await run.StepAsync(at, Step(run, EffectClass.Pure), "shared", cancellationToken).ConfigureAwait(false));
                break;
            case TrialMove.Large:
                results.Add((await run.StepAsync(at, Large(run), run.Record.Id, cancellationToken).ConfigureAwait(false))[..8]);
                break;
            case TrialMove.Branch:
                results.AddRange(await Task.WhenAll(Enumerable.Range(0, 3).Select(i =>
                    run.StepAsync($"{at}-{i}", Step(run, EffectClass.Recorded), $"{run.Record.Id} {at} {i}", cancellationToken))).ConfigureAwait(false));
                break;
            case TrialMove.Flaky:
                results.Add(await run.StepAsync(at, Flaky(run), $"{run.Record.Id} {at}", cancellationToken).ConfigureAwait(false));
                break;
            case TrialMove.Progress:
                await run.ReportAsync(50, UnderOf(run), cancellationToken).ConfigureAwait(false);
                break;
            case TrialMove.Artifact:
                byte[] content = Encoding.UTF8.GetBytes($"{run.Record.Id} {at}");
                await run.ArtifactAsync($"file-{at}.txt", content, "text/plain", cancellationToken).ConfigureAwait(false);
                break;
            case TrialMove.Signal:
                results.Add((await run.SignalAsync(at, Signal, cancellationToken).ConfigureAwait(false)).GetRawText());
                break;
            case TrialMove.Children:
                IReadOnlyList<RunRecord> children = await run.ChildrenAsync(at, [.. Enumerable.Range(0, Children).Select(i => new RunRequest
                {
                    Project = "", Type = CrashChild.TypeName, Options = run.Record.Options,
                    Input = Encoding.UTF8.GetBytes(i.ToString(CultureInfo.InvariantCulture)),
                })], cancellationToken).ConfigureAwait(false);
                results.AddRange(children.Select(static child => child.Id));
                break;
            case TrialMove.Delay:
                await run.DelayAsync(at, TimeSpan.FromMilliseconds(5), cancellationToken).ConfigureAwait(false);
                break;
            case TrialMove.Hopeless:
                throw new JobFailedException("hopeless", UnderOf(run));
            default:
                EffectClass effect = Enum.Parse<EffectClass>(move.ToString());
                results.Add(await run.StepAsync(at, Step(run, effect), $"{run.Record.Id} {at}", cancellationToken).ConfigureAwait(false));
                break;
        }
    }

    private StepExecutor<string, string> Step(Run run, EffectClass effect) => new(
        $"touch-{effect}", 1, effect, CrashJson.Default.String, CrashJson.Default.String, (_, context, token) => LeaveAsync(run, context, effect, token));

    private StepExecutor<string, string> Large(Run run) => new(
        "large", 1, EffectClass.Recorded, CrashJson.Default.String, CrashJson.Default.String,
        async (_, context, token) => await LeaveAsync(run, context, EffectClass.Recorded, token).ConfigureAwait(false) + new string('x', 50_000));

    private StepExecutor<string, string> Flaky(Run run) => new(
        "flaky", 1, EffectClass.Recorded, CrashJson.Default.String, CrashJson.Default.String, async (_, context, token) =>
        {
            bool isFirst = !Directory.EnumerateFiles(effects, $"{run.Record.Id} {context.Address} *").Any();
            string name = await LeaveAsync(run, context, EffectClass.Recorded, token).ConfigureAwait(false);
            return isFirst ? throw new IOException(UnderOf(run)) : name;
        });

    // It takes a moment before and after its effect, so that processes are met there too.
    private async Task<string> LeaveAsync(Run run, StepContext context, EffectClass effect, CancellationToken cancellationToken)
    {
        await Task.Delay(StepTime, cancellationToken).ConfigureAwait(false);
        string name = Effect.Leave(effects, run.Record.Id, context.Address, effect, run.Record.Fence);
        await Task.Delay(StepTime, cancellationToken).ConfigureAwait(false);
        return name;
    }
}
