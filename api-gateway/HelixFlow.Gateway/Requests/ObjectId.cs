using System.Security.Cryptography;

namespace HelixFlow.Gateway.Requests;

/// <summary>Makes the ids of objects that clients refer to.</summary>
internal static class ObjectId
{
    private const int RandomBytes = 24;

    private const int RequestBytes = 12;

    /// <summary>An id that cannot be guessed, for example <c>resp_</c> and 48 hexadecimal digits.</summary>
    public static string New(string prefix) => prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(RandomBytes));

    /// <summary>The id of a request.</summary>
    public static string Request() => "req_" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(RequestBytes));
}
