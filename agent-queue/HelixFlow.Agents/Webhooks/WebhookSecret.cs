using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace HelixFlow.Agents.Webhooks;

/// <summary>Keys of webhooks and what they sign, as the Standard Webhooks specification 1.0 has it: HMAC-SHA256 over id, time and body.</summary>
internal static class WebhookSecret
{
    private const string Prefix = "whsec_";
    private const int LeastBytes = 24;
    private const int MostBytes = 64;

    /// <summary>A new random secret.</summary>
    public static string New() => Prefix + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    /// <summary>Whether a text is a secret: <c>whsec_</c> and 24 to 64 bytes in base64.</summary>
    public static bool IsValid(string text) => KeyOf(text) is not null;

    /// <summary>The header <c>webhook-signature</c>: a signature for each secret, so that a receiver that knows the old one or the new one accepts it.</summary>
    /// <param name="secrets">Valid secrets.</param>
    /// <param name="id">The message's id.</param>
    /// <param name="timestamp">Seconds since 1970.</param>
    /// <param name="body">The body, in UTF-8.</param>
    public static string Sign(IEnumerable<string> secrets, string id, long timestamp, ReadOnlySpan<byte> body)
    {
        byte[] signed = [.. Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}.{timestamp}.")), .. body];
        return string.Join(' ', secrets.Select(secret => $"v1,{Convert.ToBase64String(HMACSHA256.HashData(KeyOf(secret)!, signed))}"));
    }

    private static byte[]? KeyOf(string text)
    {
        if (!text.StartsWith(Prefix, StringComparison.Ordinal) || text.Length > 128)
        {
            return null;
        }

        byte[] key = new byte[MostBytes + 8];
        return Convert.TryFromBase64String(text[Prefix.Length..], key, out int length) && length is >= LeastBytes and <= MostBytes ? key[..length] : null;
    }
}
