using System.Globalization;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.CrashHost;

/// <summary>What a step does to the world: it leaves a file, whose name tells which step of which run did so, under which claim of the run.</summary>
/// <param name="Run">The run's id.</param>
/// <param name="Address">The step.</param>
/// <param name="Class">Its class.</param>
/// <param name="Fence">The fence of the claim under which it was executed.</param>
/// <param name="Name">The file's name; it is the step's output too, so that a recorded output tells who has written it.</param>
public sealed record Effect(string Run, string Address, EffectClass Class, long Fence, string Name)
{
    /// <summary>Leaves an effect: another one each time.</summary>
    public static string Leave(string folder, string run, string address, EffectClass effect, long fence)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"{run} {address} {effect} {fence} {Guid.NewGuid():N}");
        using (new FileStream(Path.Combine(folder, name), FileMode.CreateNew))
        {
            return name;
        }
    }

    /// <summary>Reads a name; null when it is none. What follows the name does not matter.</summary>
    public static Effect? Parse(string text)
    {
        string[] parts = text.Split(' ', 5);
        return parts.Length == 5 && parts[4].Length >= 32 && Enum.TryParse(parts[2], out EffectClass effect)
            && long.TryParse(parts[3], NumberStyles.None, CultureInfo.InvariantCulture, out long fence)
            ? new Effect(parts[0], parts[1], effect, fence, $"{parts[0]} {parts[1]} {parts[2]} {parts[3]} {parts[4][..32]}")
            : null;
    }

    /// <summary>All effects that were left.</summary>
    public static List<Effect> In(string folder) => [.. Directory.EnumerateFiles(folder).Select(static path => Parse(Path.GetFileName(path))!)];
}
