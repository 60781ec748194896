using System.Text.Json;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>How an input names a file: an object with the member <c>artifact</c>, whose value is the file's hash, anywhere in the input.</summary>
public static class ArtifactReference
{
    /// <summary>The member's name.</summary>
    public const string Member = "artifact";

    /// <summary>The hashes of the files that a JSON value names.</summary>
    internal static HashSet<string> In(ReadOnlySpan<byte> canonical)
    {
        var hashes = new HashSet<string>(StringComparer.Ordinal);
        if (canonical.IndexOf("\"artifact\":\""u8) < 0)
        {
            return hashes; // what nearly all inputs are
        }

        var json = new Utf8JsonReader(canonical);
        while (json.Read())
        {
            if (json.TokenType == JsonTokenType.PropertyName && json.ValueTextEquals(Member) && json.Read() && json.TokenType == JsonTokenType.String
                && json.GetString() is { } hash && BlobKey.IsHash(hash))
            {
                hashes.Add(hash);
            }
        }

        return hashes;
    }

    /// <summary>The hash that a value names; null when it is no reference.</summary>
    public static string? Of(JsonElement value) =>
        value.ValueKind == JsonValueKind.Object && value.TryGetProperty(Member, out JsonElement hash) && hash.ValueKind == JsonValueKind.String && BlobKey.IsHash(hash.GetString()!)
            ? hash.GetString()
            : null;
}
