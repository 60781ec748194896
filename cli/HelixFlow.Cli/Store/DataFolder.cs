namespace HelixFlow.Cli.Store;

/// <summary>Where HelixFlow keeps its models, keys and database.</summary>
internal static class DataFolder
{
    /// <summary>
    /// The folder of --data, else of $HELIXFLOW_DATA, else $XDG_DATA_HOME/helixflow, else ~/.local/share/helixflow. It need not exist.
    /// </summary>
    public static string Resolve(string? option) => Resolve(option, Environment.GetEnvironmentVariable);

    /// <inheritdoc cref="Resolve(string?)"/>
    public static string Resolve(string? option, Func<string, string?> environment)
    {
        if (First(option, environment("HELIXFLOW_DATA")) is { } chosen)
        {
            return Path.GetFullPath(chosen);
        }

        // The XDG specification wants relative values ignored.
        string? shared = First(environment("XDG_DATA_HOME"));
        if (shared is null || !Path.IsPathRooted(shared))
        {
            string home = First(environment("HOME")) ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            shared = Path.Combine(home, ".local", "share");
        }

        return Path.GetFullPath(Path.Combine(shared, "helixflow"));
    }

    private static string? First(params ReadOnlySpan<string?> values)
    {
        foreach (string? value in values)
        {
            if (!string.IsNullOrEmpty(value))
            {
                return value;
            }
        }

        return null;
    }
}
