using System.Security.Cryptography;

namespace HelixFlow.Cli.Pull;

/// <summary>A file to download.</summary>
/// <param name="Name">The plain file name it gets on disk.</param>
/// <param name="Url">Where it is.</param>
/// <param name="SizeBytes">Its size as the repository lists it, when known.</param>
/// <param name="Hash">What its content must hash to, when known.</param>
internal sealed record RemoteFile(string Name, Uri Url, long? SizeBytes, ContentHash? Hash);

internal enum HashKind
{
    Sha256,

    /// <summary>Git's object id: SHA-1 over a short header and the content. Hubs list it for small files.</summary>
    GitBlob,
}

/// <summary>An expected digest in lower-case hexadecimal.</summary>
internal sealed record ContentHash(HashKind Kind, string Hex)
{
    private const int BufferBytes = 1 << 20;

    public static bool IsSha256(string hex) => hex.Length == 64 && hex.All(char.IsAsciiHexDigit);

    /// <summary>The digest of a file in this kind.</summary>
    public async Task<string> OfFileAsync(string path, CancellationToken stopping)
    {
        await using var stream = new FileStream(
            path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan | FileOptions.Asynchronous);
        using var hash = IncrementalHash.CreateHash(Kind == HashKind.Sha256 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
        if (Kind == HashKind.GitBlob)
        {
            hash.AppendData(System.Text.Encoding.ASCII.GetBytes($"blob {stream.Length}\0"));
        }

        byte[] buffer = new byte[BufferBytes];
        int read;
        while ((read = await stream.ReadAsync(buffer, stopping)) > 0)
        {
            hash.AppendData(buffer, 0, read);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
