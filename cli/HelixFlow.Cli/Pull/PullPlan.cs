using HelixFlow.Cli.Store;

namespace HelixFlow.Cli.Pull;

/// <summary>What the user asked for.</summary>
internal sealed record PullRequest
{
    /// <summary>owner/name, owner/name:quantisation-or-file, or a URL.</summary>
    public required string Source { get; init; }

    public required string DataFolder { get; init; }

    /// <summary>The name to store the model under; null takes the repository's or the file's.</summary>
    public string? Name { get; init; }

    /// <summary>Branch, tag or commit.</summary>
    public string Revision { get; init; } = "main";

    /// <summary>A GGUF file's path in the repository, possibly with * and ?.</summary>
    public string? File { get; init; }

    /// <summary>A GGUF file's quantisation, such as Q4_K_M.</summary>
    public string? Quantisation { get; init; }

    public Uri Endpoint { get; init; } = new("https://huggingface.co");

    /// <summary>The expected digest of a single file.</summary>
    public string? Sha256 { get; init; }

    public string? Token { get; init; }
}

/// <summary>What a pull will do.</summary>
/// <param name="Name">The model's name in the store.</param>
/// <param name="Kind">A GGUF file or a folder.</param>
/// <param name="Origin">The address with its commit: a partial download of another origin is discarded.</param>
/// <param name="Files">The files to fetch, in order.</param>
internal sealed record PullPlan(string Name, ModelKind Kind, string Origin, IReadOnlyList<RemoteFile> Files)
{
    /// <summary>Bytes of the files whose size is known.</summary>
    public long KnownBytes => Files.Sum(static f => f.SizeBytes ?? 0);
}
