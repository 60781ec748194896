namespace HelixFlow.Cli.Store;

/// <summary>The models of a data folder: DATA/models/NAME (a Hugging Face folder) or DATA/models/NAME.gguf.</summary>
internal sealed class ModelStore(string dataFolder)
{
    public const string GgufExtension = ".gguf";

    public string Folder { get; } = Path.Combine(Path.GetFullPath(dataFolder), "models");

    /// <summary>All stored models by name. Names that start with a dot are downloads in progress and not listed.</summary>
    public IReadOnlyList<ModelLocation> List()
    {
        if (!Directory.Exists(Folder))
        {
            return [];
        }

        var models = new List<ModelLocation>();
        foreach (string path in Directory.EnumerateFileSystemEntries(Folder))
        {
            if (LocationOf(path) is { } model && model.Name[0] != '.')
            {
                models.Add(model);
            }
        }

        models.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        return models;
    }

    /// <summary>The stored model of that name, or the model at that path.</summary>
    /// <exception cref="StoreException">There is none.</exception>
    public ModelLocation Resolve(string nameOrPath)
    {
        if (FindByName(nameOrPath) is { } stored)
        {
            return stored;
        }

        if (LocationOf(Path.GetFullPath(nameOrPath)) is { } direct)
        {
            return direct;
        }

        string known = List() is { Count: > 0 } models
            ? "stored are " + string.Join(", ", models.Select(static m => m.Name))
            : "none is stored";
        throw new StoreException(
            Path.Exists(nameOrPath)
                ? $"'{nameOrPath}' is not a model: expected a .gguf file or a folder with config.json and .safetensors files"
                : $"no model '{nameOrPath}' in {Folder} ({known}) and no such path; 'helixflow pull' fetches one");
    }

    /// <summary>The stored model of that name, or null.</summary>
    /// <exception cref="StoreException">A file and a folder of that name exist.</exception>
    public ModelLocation? FindByName(string name)
    {
        string plain = name.EndsWith(GgufExtension, StringComparison.OrdinalIgnoreCase) ? name[..^GgufExtension.Length] : name;
        if (!ModelName.IsValid(plain))
        {
            return null;
        }

        ModelLocation? file = LocationOf(Path.Combine(Folder, plain + GgufExtension));
        ModelLocation? folder = plain == name ? LocationOf(Path.Combine(Folder, plain)) : null;
        return file is not null && folder is not null
            ? throw new StoreException($"'{name}' names both a file and a folder in {Folder}; write '{name}.gguf' or the folder's path")
            : file ?? folder;
    }

    /// <summary>Deletes a stored model. Only names are taken, so nothing outside the store can be removed.</summary>
    /// <exception cref="StoreException">There is no stored model of that name.</exception>
    public void Remove(string name)
    {
        ModelLocation model = FindByName(name) ?? throw new StoreException(
            Path.Exists(name)
                ? $"'{name}' is not in {Folder}; only stored models are removed, by their name"
                : $"no model '{name}' in {Folder}");
        var folder = new DirectoryInfo(model.Path);
        if (model.Kind == ModelKind.Gguf || folder.LinkTarget is not null)
        {
            File.Delete(model.Path); // a link goes, what it points to stays
        }
        else
        {
            folder.Delete(recursive: true);
        }
    }

    private static ModelLocation? LocationOf(string path)
    {
        string trimmed = Path.TrimEndingDirectorySeparator(path);
        if (Directory.Exists(trimmed))
        {
            return HoldsModel(trimmed) ? new ModelLocation(Path.GetFileName(trimmed), trimmed, ModelKind.Safetensors) : null;
        }

        return trimmed.EndsWith(GgufExtension, StringComparison.OrdinalIgnoreCase) && File.Exists(trimmed)
            ? new ModelLocation(Path.GetFileNameWithoutExtension(trimmed), trimmed, ModelKind.Gguf)
            : null;
    }

    private static bool HoldsModel(string folder) =>
        File.Exists(Path.Combine(folder, "config.json")) || Directory.EnumerateFiles(folder, "*.safetensors").Any();
}
