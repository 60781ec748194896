namespace HelixFlow.MicroBenchmarks;

/// <summary>Files of the repository.</summary>
internal static class Repository
{
    public static string Path(params string[] parts)
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(System.IO.Path.Combine(folder.FullName, "HelixFlow.sln")))
        {
            folder = folder.Parent;
        }

        return folder is null
            ? throw new InvalidOperationException("HelixFlow.sln was not found above the program's folder")
            : System.IO.Path.Combine([folder.FullName, .. parts]);
    }
}
