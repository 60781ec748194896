using System.Text.Json;

namespace HelixFlow.Cli.Pull;

/// <summary>A file of a repository.</summary>
/// <param name="Path">Its path in the repository, as the hub gives it: not yet safe to use on disk.</param>
/// <param name="SizeBytes">Its size, when listed.</param>
/// <param name="Hash">Its digest, when listed.</param>
internal sealed record HubFile(string Path, long? SizeBytes, ContentHash? Hash);

/// <summary>The files of a repository at one commit.</summary>
/// <param name="Commit">The commit's id, so that all files come from the same one; the asked revision when the hub does not say.</param>
/// <param name="Files">All files.</param>
internal sealed record HubListing(string Commit, IReadOnlyList<HubFile> Files)
{
    /// <exception cref="PullException">The text is not what the hub's API gives.</exception>
    public static HubListing Parse(ReadOnlyMemory<byte> json, string revision)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            var files = new List<HubFile>();
            foreach (JsonElement sibling in document.RootElement.GetProperty("siblings").EnumerateArray())
            {
                files.Add(ParseFile(sibling));
            }

            string commit = Text(document.RootElement, "sha") ?? revision;
            return new HubListing(commit, files);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new PullException($"the hub's answer is not a list of files: {e.Message}", e);
        }
    }

    private static HubFile ParseFile(JsonElement sibling)
    {
        string path = sibling.GetProperty("rfilename").GetString() ?? "";
        long? size =
            sibling.TryGetProperty("size", out JsonElement listed) && listed.ValueKind == JsonValueKind.Number
            && listed.TryGetInt64(out long bytes) && bytes >= 0
                ? bytes
                : null;
        ContentHash? hash = null;
        if (sibling.TryGetProperty("lfs", out JsonElement lfs) && lfs.ValueKind == JsonValueKind.Object)
        {
            hash = Text(lfs, "sha256") is { } sha256 && ContentHash.IsSha256(sha256) ? new ContentHash(HashKind.Sha256, sha256) : null;
        }
        else if (Text(sibling, "blobId") is { Length: 40 } blob && blob.All(char.IsAsciiHexDigit))
        {
            hash = new ContentHash(HashKind.GitBlob, blob);
        }

        return new HubFile(path, size, hash);
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
