using System.Security.Cryptography;

namespace HelixFlow.Gateway.Files;

/// <summary>Names of stored objects: a prefix that tells the kind, and 96 random bits.</summary>
internal static class ObjectId
{
    public static string New(string prefix) => prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12));
}
