namespace HelixFlow.Cli.Store;

/// <summary>Which models a command works on: those named, else the one that comes with HelixFlow.</summary>
internal static class ModelChoice
{
    /// <summary>The name of the model that comes with HelixFlow.</summary>
    public const string BuiltIn = "helix-tiny";

    /// <summary>Finds a model by name (stored or built in) or path; null is the built-in one.</summary>
    /// <exception cref="StoreException">There is none.</exception>
    public static ModelLocation Resolve(string? nameOrPath, string dataFolder)
    {
        var store = new ModelStore(dataFolder);
        string wanted = nameOrPath ?? BuiltIn;
        if (wanted == BuiltIn && store.FindByName(wanted) is null && !Path.Exists(Path.Combine(Environment.CurrentDirectory, wanted)))
        {
            string path = Path.Combine(AppContext.BaseDirectory, "models", BuiltIn);
            return Directory.Exists(path)
                ? new ModelLocation(BuiltIn, path, ModelKind.Safetensors)
                : throw new StoreException($"the built-in model is missing from {path}; build again, or name a model with --model");
        }

        return store.Resolve(wanted);
    }
}
