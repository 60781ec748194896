namespace HelixFlow.InferenceNode.Tests;

/// <summary>The default model in the source tree.</summary>
internal static class BuiltInModel
{
    public const string Name = "helix-tiny";

    public static string Folder { get; } = Find();

    private static string Find()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "HelixFlow.sln")))
        {
            folder = folder.Parent;
        }

        return Path.Combine(folder?.FullName ?? throw new InvalidOperationException("HelixFlow.sln was not found above the test's folder"), "models", "helix-tiny");
    }
}
