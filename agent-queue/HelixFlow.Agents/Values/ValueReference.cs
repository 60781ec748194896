using System.Security.Cryptography;
using System.Text;

namespace HelixFlow.Agents.Values;

/// <summary>How a row names an immutable value: by the SHA-256 of its bytes in lower-case hexadecimal, or, of small JSON, by <c>=</c> and the JSON itself.</summary>
/// <remarks>
/// A value that is its own name needs no row of its own, no look-up and no collection. Content-addressed stores call it the identity hash
/// (https://github.com/multiformats/multihash, code 0x00). Equal values have equal references either way.
/// </remarks>
public static class ValueReference
{
    /// <summary>Canonical JSON of at most so many bytes is its own reference.</summary>
    public const int MostBytes = 256;

    private const char Mark = '=';

    /// <summary>The reference of canonical JSON.</summary>
    public static string Of(ReadOnlySpan<byte> canonical) => canonical.Length <= MostBytes ? OfSmall(canonical) : ActionDigest.HashOf(canonical);

    /// <summary>Writes the reference of canonical JSON as UTF-8 to a space of at least <see cref="MostBytes"/> + 1 bytes; its length.</summary>
    internal static int Write(ReadOnlySpan<byte> canonical, Span<byte> space)
    {
        if (canonical.Length <= MostBytes)
        {
            space[0] = (byte)Mark;
            canonical.CopyTo(space[1..]);
            return canonical.Length + 1;
        }

        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(canonical, hash);
        Convert.TryToHexStringLower(hash, space, out int length);
        return length;
    }

    /// <summary>The reference of small canonical JSON.</summary>
    internal static string OfSmall(ReadOnlySpan<byte> canonical) => string.Create(Encoding.UTF8.GetCharCount(canonical) + 1, canonical, static (reference, canonical) =>
    {
        reference[0] = Mark;
        Encoding.UTF8.GetChars(canonical, reference[1..]);
    });

    /// <summary>Whether a reference is the value itself.</summary>
    public static bool IsValue(string reference) => reference.StartsWith(Mark);

    /// <summary>The hash of the value, whichever way it is referred to.</summary>
    public static string HashOf(string reference) => ValueOf(reference) is { } value ? ActionDigest.HashOf(value) : reference;

    /// <summary>The value that a reference is; null for one that is a hash.</summary>
    public static byte[]? ValueOf(string reference) => IsValue(reference) ? Encoding.UTF8.GetBytes(reference, 1, reference.Length - 1) : null;
}
