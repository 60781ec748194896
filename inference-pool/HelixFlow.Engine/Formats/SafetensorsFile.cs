namespace HelixFlow.Engine.Formats;

/// <summary>Memory-mapped safetensors: one file, or the shards that a model.safetensors.index.json names.</summary>
/// <remarks>
/// Format: https://github.com/huggingface/safetensors#format. F32, F16 and BF16 tensors are read. Integer and boolean tensors (position
/// ids, masks) are checked and left out; other types are refused. Tensors need not be aligned: read them with unaligned loads.
/// </remarks>
public sealed class SafetensorsFile : TensorFile
{
    private const string SingleFileName = "model.safetensors";
    private const string IndexFileName = "model.safetensors.index.json";
    private const string IndexSuffix = ".index.json";

    private readonly List<MappedFile> _files;

    private SafetensorsFile(
        string path, List<MappedFile> files, Dictionary<string, StoredTensor> tensors, Dictionary<string, string> leftOut)
    {
        Path = path;
        _files = files;
        Tensors = tensors;
        LeftOut = leftOut;
    }

    /// <summary>The file that was opened: the safetensors file or the index.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, StoredTensor> Tensors { get; }

    /// <summary>Tensors of the files that are not in <see cref="Tensors"/>, with their element type, to explain a missing weight.</summary>
    public IReadOnlyDictionary<string, string> LeftOut { get; }

    /// <param name="path">
    /// A .safetensors file, an .index.json file beside its shards, or a folder with model.safetensors, model.safetensors.index.json or a
    /// single other .safetensors file.
    /// </param>
    /// <exception cref="ModelFormatException">A file is damaged, incomplete or holds an unsupported element type.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static SafetensorsFile Open(string path)
    {
        string file = System.IO.Path.GetFullPath(Directory.Exists(path) ? FindInFolder(path) : path);
        return file.EndsWith(IndexSuffix, StringComparison.OrdinalIgnoreCase) ? OpenShards(file) : OpenSingle(file);
    }

    protected override void Dispose(bool disposing)
    {
        foreach (MappedFile file in _files)
        {
            file.Dispose();
        }
    }

    private static string FindInFolder(string folder)
    {
        foreach (string name in (ReadOnlySpan<string>)[SingleFileName, IndexFileName])
        {
            string candidate = System.IO.Path.Combine(folder, name);
            if (File.Exists(candidate))
            {
                return candidate;
            }
        }

        string[] files = Directory.GetFiles(folder, "*.safetensors");
        return files switch
        {
            [string only] => only,
            [] => throw new ModelFormatException(folder, null, $"the folder has no {SingleFileName} and no {IndexFileName}"),
            _ => throw new ModelFormatException(
                folder, null, $"the folder has {files.Length} .safetensors files but no {IndexFileName} that says how they "
                    + "belong together"),
        };
    }

    private static SafetensorsFile OpenSingle(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            SafetensorsShard shard = SafetensorsShard.Read(file);
            return new SafetensorsFile(path, [file], shard.Tensors, shard.LeftOut);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static SafetensorsFile OpenShards(string indexPath)
    {
        Dictionary<string, string> shardOf = SafetensorsIndex.Read(indexPath);
        string folder = System.IO.Path.GetDirectoryName(indexPath)!;
        var files = new List<MappedFile>();
        var shards = new Dictionary<string, SafetensorsShard>(StringComparer.Ordinal);
        var tensors = new Dictionary<string, StoredTensor>(shardOf.Count, StringComparer.Ordinal);
        var leftOut = new Dictionary<string, string>(StringComparer.Ordinal);
        try
        {
            foreach ((string tensor, string shardName) in shardOf)
            {
                if (!shards.TryGetValue(shardName, out SafetensorsShard? shard))
                {
                    string shardPath = System.IO.Path.Combine(folder, shardName);
                    if (!File.Exists(shardPath))
                    {
                        throw new ModelFormatException(
                            indexPath, null, $"the index names the shard '{shardName}', which is not in the folder");
                    }

                    files.Add(MappedFile.Open(shardPath));
                    shard = SafetensorsShard.Read(files[^1]);
                    shards.Add(shardName, shard);
                }

                if (shard.Tensors.TryGetValue(tensor, out StoredTensor? stored))
                {
                    tensors.Add(tensor, stored);
                }
                else if (shard.LeftOut.TryGetValue(tensor, out string? type))
                {
                    leftOut.Add(tensor, type);
                }
                else
                {
                    throw new ModelFormatException(
                        indexPath, null, $"the index says that '{shardName}' holds tensor '{tensor}', but it does not");
                }
            }

            return new SafetensorsFile(indexPath, files, tensors, leftOut);
        }
        catch
        {
            files.ForEach(static f => f.Dispose());
            throw;
        }
    }
}
