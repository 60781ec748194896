using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace HelixFlow.Gateway.Anthropic;

/// <summary>The signature of a block of reasoning: clients must have one to send the block back unchanged with the next request.</summary>
/// <remarks>It is a digest and keeps no secret: reasoning is part of the prompt, which is the client's own. It finds blocks that were changed or mixed up.</remarks>
internal static class ThinkingSignature
{
    private const string Mark = "helixflow1.";

    /// <summary>The signature of a whole block.</summary>
    public static string Of(string thinking) => Mark + Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(thinking)));

    /// <summary>Whether the signature may stand with the text; one of another server's, and that of a block sent without its text, always may.</summary>
    public static bool Fits(string thinking, string signature) =>
        thinking.Length == 0 || !signature.StartsWith(Mark, StringComparison.Ordinal) || signature == Of(thinking);
}
