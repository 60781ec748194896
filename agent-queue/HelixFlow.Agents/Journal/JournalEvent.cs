using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace HelixFlow.Agents.Journal;

/// <summary>Something that happened to a run. Events are never changed; their names and fields are stored.</summary>
public abstract record JournalEvent
{
    /// <summary>The run was asked for.</summary>
    public sealed record Requested(
        string Type, string Project, RunPriority Priority, string Input, RunOptions Options, RunState State, long NotBefore, IReadOnlyList<string> DependsOn,
        IReadOnlyDictionary<string, string>? Labels, string? Parent, string? ParentAddress, string? Schedule, string? ForkOf, string? ForkFrom = null) : JournalEvent;

    /// <summary>What the run had waited for is there.</summary>
    public sealed record Released : JournalEvent;

    /// <summary>A worker has claimed the run.</summary>
    public sealed record AttemptStarted(int Attempt, long Fence, string Worker) : JournalEvent;

    /// <summary>An attempt failed and another one follows.</summary>
    public sealed record AttemptFailed(int Attempt, RunError Error, long RetryAt) : JournalEvent;

    /// <summary>A worker gave the run back without having failed, so that another one goes on with it.</summary>
    public sealed record AttemptReleased(int Attempt) : JournalEvent;

    /// <summary>The run has told how far it is.</summary>
    public sealed record Progressed(int Percent, string? Message, string? Partial) : JournalEvent;

    /// <summary>The effect of a step that must not be repeated may have begun.</summary>
    public sealed record StepStarted(string Address, string Digest, EffectClass Class) : JournalEvent;

    /// <summary>A step has an output.</summary>
    public sealed record StepSucceeded(string Address, string Digest, EffectClass Class, string Output, StepSource Source, long StartedAt, StepUsage? Usage = null) : JournalEvent;

    /// <summary>The run has made a file.</summary>
    public sealed record ArtifactStored(string Name, string Hash, long Length, string ContentType) : JournalEvent;

    /// <summary>A step was tried and has failed; whether it is tried again is its attempt's affair.</summary>
    public sealed record StepFailed(string Address, string Digest, RunError Error) : JournalEvent;

    /// <summary>After a crash nobody knows whether the effect of a step took place.</summary>
    public sealed record StepParked(string Address, RunError? Error = null) : JournalEvent;

    /// <summary>Somebody has decided that a step is to be tried again.</summary>
    public sealed record StepRetryDecided(string Address, string By) : JournalEvent;

    /// <summary>The run waits for other runs, a signal or a time, and holds no worker meanwhile.</summary>
    public sealed record Suspended(long Until, string? Signal, IReadOnlyList<string> Runs) : JournalEvent;

    /// <summary>The run asks somebody something; the answer is a signal of that name. When it expires, if it does, is in milliseconds since 1970.</summary>
    public sealed record Asked(string Address, string Signal, JsonElement Question, long? ExpiresAt = null) : JournalEvent;

    /// <summary>Nobody has answered in time; the signal that follows is a rejection.</summary>
    public sealed record QuestionExpired(string Address, string Signal) : JournalEvent;

    /// <summary>Somebody has told the run something.</summary>
    public sealed record Signalled(string Name, long Number, JsonElement Body) : JournalEvent;

    /// <summary>A step of the run has taken what somebody had told it; the number is that of <see cref="Signalled"/>.</summary>
    public sealed record SignalTaken(string Name, long Number, string Address) : JournalEvent;

    /// <summary>Somebody wants the run to end.</summary>
    public sealed record CancelRequested(string By) : JournalEvent;

    /// <summary>The run has ended with an output.</summary>
    public sealed record Succeeded(string Output) : JournalEvent;

    /// <summary>The run has ended because somebody wanted it.</summary>
    public sealed record Cancelled(RunError? Error = null) : JournalEvent;

    /// <summary>The run has ended without an output.</summary>
    public sealed record Died(RunError Error) : JournalEvent;

    /// <summary>A dead or cancelled run is tried anew, perhaps with another input; it is ready, or waits again for the runs that it depends on.</summary>
    public sealed record Requeued(int Epoch, string Input, string By, RunState? State = null) : JournalEvent;

    /// <summary>The version of the form in which this program stores events.</summary>
    public const int CurrentVersion = 1;

    private static readonly Dictionary<string, JsonTypeInfo> Kinds = new JsonTypeInfo[]
    {
        JournalJson.Default.Requested, JournalJson.Default.Released, JournalJson.Default.AttemptStarted, JournalJson.Default.AttemptFailed,
        JournalJson.Default.AttemptReleased, JournalJson.Default.Progressed, JournalJson.Default.StepStarted, JournalJson.Default.StepSucceeded,
        JournalJson.Default.StepFailed, JournalJson.Default.StepParked, JournalJson.Default.StepRetryDecided, JournalJson.Default.Suspended,
        JournalJson.Default.Asked, JournalJson.Default.Signalled, JournalJson.Default.SignalTaken, JournalJson.Default.CancelRequested, JournalJson.Default.Succeeded,
        JournalJson.Default.Cancelled, JournalJson.Default.Died, JournalJson.Default.Requeued, JournalJson.Default.ArtifactStored,
        JournalJson.Default.QuestionExpired,
    }.ToDictionary(info => info.Type.Name, StringComparer.Ordinal);

    private static readonly Dictionary<Type, JsonTypeInfo> Types = Kinds.Values.ToDictionary(info => info.Type);

    /// <summary>The name under which this kind of event is stored.</summary>
    [JsonIgnore]
    public string Kind => GetType().Name;

    /// <summary>The event as it is stored.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Types[GetType()]);

    /// <summary>Reads an event that this version of the program, or an older one, has stored.</summary>
    /// <exception cref="InvalidDataException">A newer program has stored it, or it is damaged.</exception>
    public static JournalEvent Parse(string kind, int version, string body)
    {
        if (version > CurrentVersion || !Kinds.TryGetValue(kind, out JsonTypeInfo? info))
        {
            throw new InvalidDataException($"The journal holds an event {kind} of version {version}, which this version of HelixFlow does not know.");
        }

        try
        {
            return (JournalEvent)JsonSerializer.Deserialize(EventUpcasters.Current.Raise(kind, version, body), info)!;
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"The journal holds an event {kind} that cannot be read: {exception.Message}", exception);
        }
    }
}

/// <summary>An event with its place and time.</summary>
/// <param name="Number">1, 2, 3… within the run, without gaps.</param>
/// <param name="At">Milliseconds since 1970.</param>
/// <param name="Event">What happened.</param>
public sealed record NumberedEvent(long Number, long At, JournalEvent Event);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true)]
[JsonSerializable(typeof(JournalEvent.Requested))]
[JsonSerializable(typeof(JournalEvent.Released))]
[JsonSerializable(typeof(JournalEvent.AttemptStarted))]
[JsonSerializable(typeof(JournalEvent.AttemptFailed))]
[JsonSerializable(typeof(JournalEvent.AttemptReleased))]
[JsonSerializable(typeof(JournalEvent.Progressed))]
[JsonSerializable(typeof(JournalEvent.StepStarted))]
[JsonSerializable(typeof(JournalEvent.StepSucceeded))]
[JsonSerializable(typeof(JournalEvent.ArtifactStored))]
[JsonSerializable(typeof(JournalEvent.StepFailed))]
[JsonSerializable(typeof(JournalEvent.StepParked))]
[JsonSerializable(typeof(JournalEvent.StepRetryDecided))]
[JsonSerializable(typeof(JournalEvent.Suspended))]
[JsonSerializable(typeof(JournalEvent.Asked))]
[JsonSerializable(typeof(JournalEvent.QuestionExpired))]
[JsonSerializable(typeof(JournalEvent.Signalled))]
[JsonSerializable(typeof(JournalEvent.SignalTaken))]
[JsonSerializable(typeof(JournalEvent.CancelRequested))]
[JsonSerializable(typeof(JournalEvent.Succeeded))]
[JsonSerializable(typeof(JournalEvent.Cancelled))]
[JsonSerializable(typeof(JournalEvent.Died))]
[JsonSerializable(typeof(JournalEvent.Requeued))]
[JsonSerializable(typeof(RunOptions))]
[JsonSerializable(typeof(RunError))]
[JsonSerializable(typeof(IReadOnlyDictionary<string, string>))]
[JsonSerializable(typeof(IReadOnlyList<string>))]
internal sealed partial class JournalJson : JsonSerializerContext;
