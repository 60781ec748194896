using System.Globalization;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;

namespace HelixFlow.Gateway.Files;

/// <summary>The field "expires_after" and its likes: a number of seconds after a file's creation.</summary>
internal static class ExpiresAfter
{
    private const long Least = 3600;
    private const long Most = 2_592_000;

    /// <summary>The seconds that a JSON body states; null when it states none.</summary>
    /// <exception cref="OpenAiException">Its anchor or its seconds are wrong.</exception>
    public static long? Read(RequestFields fields, string name)
    {
        if (fields.Object(name) is not { } policy)
        {
            return null;
        }

        CheckAnchor(policy.RequiredString("anchor"), name + ".anchor");
        return policy.Integer("seconds", Least, Most) ?? throw policy.Missing("seconds");
    }

    /// <summary>The same of a form, whose fields are "expires_after[anchor]" and "expires_after[seconds]".</summary>
    public static long? Read(string? anchor, string? seconds)
    {
        if (anchor is null && seconds is null)
        {
            return null;
        }

        CheckAnchor(anchor ?? throw Missing("expires_after.anchor"), "expires_after.anchor");
        if (!long.TryParse(seconds ?? throw Missing("expires_after.seconds"), NumberStyles.None, CultureInfo.InvariantCulture, out long number))
        {
            throw RequestFields.Invalid("expires_after.seconds", "Invalid type for 'expires_after.seconds': expected an integer.", "invalid_type");
        }

        return number is >= Least and <= Most
            ? number
            : throw RequestFields.Invalid("expires_after.seconds", $"Invalid 'expires_after.seconds': expected a value between {Least} and {Most}, but got {number} instead.", "invalid_value");
    }

    private static void CheckAnchor(string anchor, string param)
    {
        if (anchor != "created_at")
        {
            throw RequestFields.Invalid(param, $"Invalid value: '{anchor}'. Supported values are: 'created_at'.", "invalid_value");
        }
    }

    private static OpenAiException Missing(string param) => RequestFields.Invalid(param, $"Missing required parameter: '{param}'.", "missing_required_parameter");
}
