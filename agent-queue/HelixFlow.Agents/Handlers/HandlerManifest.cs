using System.Text.Json;
using System.Text.Json.Serialization;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Handlers;

/// <summary>A type of jobs that a program does, as a file of its folder describes it.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed class HandlerManifest
{
    private static readonly HandlerJson Json = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, ReadCommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, AllowDuplicateProperties = false,
    });

    /// <summary>The name under which jobs are asked for.</summary>
    public required string Name { get; set; }

    /// <summary>What it does, in a sentence.</summary>
    public string Description { get; set; } = "";

    /// <summary>JSON Schema (2020-12) of the input; any input by default.</summary>
    public JsonElement InputSchema { get; set; } = JsonElement.Parse("{}");

    /// <summary>JSON Schema (2020-12) of the output, which is checked; any output by default.</summary>
    public JsonElement OutputSchema { get; set; } = JsonElement.Parse("{}");

    /// <summary>The program and its arguments. It is started in the manifest's folder, once for each attempt at a job.</summary>
    public required string[] Command { get; set; }

    /// <summary>Most jobs of the type at the same time in one worker. 1 to 1000, default 1.</summary>
    public int Concurrency { get; set; } = 1;

    /// <summary>Most memory that the program and all it starts may take together. MiB; default 512.</summary>
    public int MemoryMb { get; set; } = 512;

    /// <summary>The longest that an attempt may take. Seconds; default 600.</summary>
    public double TimeLimitSeconds { get; set; } = 600;

    /// <summary>The largest file that the program may keep or read as an artifact. MiB; 1 to 1024, default 256.</summary>
    public int ArtifactMb { get; set; } = 256;

    /// <summary>Variables of the program's environment, which else has only PATH, HOME, LANG, TZ and TMPDIR of the worker's.</summary>
    public Dictionary<string, string> Env { get; set; } = [];

    /// <summary>Attempts before a job is a dead letter, where those who ask say nothing. Default 3.</summary>
    public int MaxAttempts { get; set; } = 3;

    /// <summary>Wait after the first failed attempt; doubles with each further one. Milliseconds; default 1000.</summary>
    public long BackoffMs { get; set; } = 1_000;

    /// <summary>Where the program is started.</summary>
    [JsonIgnore]
    public string Folder { get; private set; } = "";

    /// <summary>How its jobs are tried.</summary>
    internal RunOptions Options => new() { MaxAttempts = MaxAttempts, BackoffMs = BackoffMs };

    /// <summary>Reads the manifests of a folder: its files *.json, and those of the name handler.json in the folders in it.</summary>
    /// <exception cref="InvalidDataException">One of them is wrong; the message says which and how.</exception>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    public static IReadOnlyList<HandlerManifest> ReadFolder(string folder)
    {
        IEnumerable<string> files = Directory.EnumerateFiles(folder, "*.json")
            .Concat(Directory.EnumerateDirectories(folder).Select(static inner => Path.Combine(inner, "handler.json")).Where(File.Exists));
        var found = new Dictionary<string, (HandlerManifest Manifest, string File)>(StringComparer.Ordinal);
        foreach (string file in files.Order(StringComparer.Ordinal))
        {
            HandlerManifest manifest = Read(file);
            if (!found.TryAdd(manifest.Name, (manifest, file)))
            {
                throw new InvalidDataException($"{file}: {found[manifest.Name].File} has a handler '{manifest.Name}' too.");
            }
        }

        return [.. found.Values.Select(static entry => entry.Manifest)];
    }

    /// <summary>Reads one manifest.</summary>
    /// <exception cref="InvalidDataException">It is wrong.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static HandlerManifest Read(string file)
    {
        HandlerManifest manifest;
        try
        {
            manifest = JsonSerializer.Deserialize(File.ReadAllBytes(file), Json.HandlerManifest) ?? throw new JsonException("it is null");
            _ = ValueSchema.Parse(manifest.InputSchema);
            _ = ValueSchema.Parse(manifest.OutputSchema);
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException)
        {
            throw new InvalidDataException($"{file}: {exception.Message}", exception);
        }

        string? wrong = manifest switch
        {
            { Name.Length: 0 or > 200 } => "'name' must have 1 to 200 characters",
            { Command.Length: 0 } => "'command' names no program",
            { Concurrency: < 1 or > 1000 } => "'concurrency' must be between 1 and 1000",
            { MemoryMb: < 1 or > 1 << 20 } => $"'memory_mb' must be between 1 and {1 << 20}",
            { TimeLimitSeconds: not (> 0 and <= 30 * 86_400) } => $"'time_limit_seconds' must be above 0 and at most {30 * 86_400}",
            { ArtifactMb: < 1 or > 1024 } => "'artifact_mb' must be between 1 and 1024",
            { MaxAttempts: < 1 or > 100 } => "'max_attempts' must be between 1 and 100",
            { BackoffMs: < 0 or > 86_400_000 } => "'backoff_ms' must be between 0 and 86400000",
            _ => null,
        };
        manifest.Folder = Path.GetDirectoryName(Path.GetFullPath(file))!;
        return wrong is null ? manifest : throw new InvalidDataException($"{file}: {wrong}.");
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(HandlerManifest))]
[JsonSerializable(typeof(JsonElement))]
internal sealed partial class HandlerJson : JsonSerializerContext;
