using System.Security.Cryptography;
using System.Text;

namespace HelixFlow.Agents.Values;

/// <summary>What a step does, named by content: two steps with the same digest would do the same with the same inputs.</summary>
/// <param name="Executor">The kind of step, for example <c>chunk</c>.</param>
/// <param name="Version">Raised by its author when the same inputs would give another output.</param>
/// <param name="Inputs">The inputs by port, each as the hash of its canonical form: an upstream step that yields the same again changes nothing here.</param>
/// <param name="Salt">Different for steps that must not share a result, for example samples of a model; usually empty.</param>
/// <param name="Namespace">Whose results may be shared: a project.</param>
public sealed record ActionDigest(string Executor, int Version, IReadOnlyDictionary<string, string> Inputs, string Salt, string Namespace)
{
    /// <summary>SHA-256 of the parts, each with its length before it, so that no two different actions have the same bytes.</summary>
    public string Hash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(hash, "helixflow action 1");
        Add(hash, Namespace);
        Add(hash, Executor);
        Add(hash, Version.ToString(System.Globalization.CultureInfo.InvariantCulture));
        Add(hash, Salt);
        foreach ((string port, string value) in Inputs.OrderBy(static input => input.Key, StringComparer.Ordinal))
        {
            Add(hash, port);
            Add(hash, value);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The hash of a value's canonical bytes.</summary>
    public static string HashOf(ReadOnlySpan<byte> canonical) => Convert.ToHexStringLower(SHA256.HashData(canonical));

    private static void Add(IncrementalHash hash, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        hash.AppendData(BitConverter.IsLittleEndian ? BitConverter.GetBytes((long)bytes.Length) : [.. BitConverter.GetBytes((long)bytes.Length).Reverse()]);
        hash.AppendData(bytes);
    }
}
