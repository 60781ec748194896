using System.Collections.Frozen;

namespace HelixFlow.Engine.Grammar.Json;

/// <summary>What JSON Schema's formats look like, as expressions of whole strings.</summary>
/// <remarks>
/// Each matches only valid values, though not all of them where the full grammar is wide (addresses of mail, URIs): days are limited to 28 in February, so that
/// no leap years need be known. Sources: RFC 3339 (dates and times), RFC 5322 and 1123 (mail, host names), RFC 4291 (IPv6), RFC 3986 (URI), RFC 9562 (UUID), ISO 8601
/// (durations, by RFC 3339 appendix A), RFC 6901 (JSON pointer).
/// </remarks>
internal static class StringFormats
{
    private const string Date = "[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))";
    private const string Offset = "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
    private const string Time = $"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{{1,9}})?{Offset}";
    private const string Label = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
    private const string Host = $"{Label}(\\.{Label}){{0,8}}";
    private const string Byte = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    private const string Ipv4 = $"({Byte}\\.){{3}}{Byte}";
    private const string Hex = "[0-9a-fA-F]{1,4}";
    private const string Ipv6 =
        $"(({Hex}:){{7}}{Hex}|({Hex}:){{1,7}}:|({Hex}:){{1,6}}:{Hex}|({Hex}:){{1,5}}(:{Hex}){{1,2}}|({Hex}:){{1,4}}(:{Hex}){{1,3}}|({Hex}:){{1,3}}(:{Hex}){{1,4}}|({Hex}:){{1,2}}(:{Hex}){{1,5}}|{Hex}:(:{Hex}){{1,6}}|:((:{Hex}){{1,7}}|:))";

    private const string UriCharacter = "([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9a-fA-F]{2})";
    private const string UriRest = $"{UriCharacter}*(\\?({UriCharacter}|\\?)*)?(#({UriCharacter}|\\?)*)?";
    private const string UriPattern = $"[A-Za-z][A-Za-z0-9+.-]*:(//{Host}(:[0-9]{{1,5}})?(/{UriRest})?|[A-Za-z0-9._~!$&'()*+,;=@-]{UriRest})";

    private static readonly FrozenDictionary<string, string> _patterns = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["date"] = Date,
        ["time"] = Time,
        ["date-time"] = $"{Date}[T]{Time}",
        ["duration"] = "P([0-9]{1,9}W|([0-9]{1,9}Y([0-9]{1,9}M([0-9]{1,9}D)?)?|[0-9]{1,9}M([0-9]{1,9}D)?|[0-9]{1,9}D)(T([0-9]{1,9}H([0-9]{1,9}M([0-9]{1,9}S)?)?|[0-9]{1,9}M([0-9]{1,9}S)?|[0-9]{1,9}S))?|T([0-9]{1,9}H([0-9]{1,9}M([0-9]{1,9}S)?)?|[0-9]{1,9}M([0-9]{1,9}S)?|[0-9]{1,9}S))",
        ["email"] = $"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]{{1,32}}(\\.[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]{{1,16}}){{0,2}}@{Label}(\\.{Label}){{1,3}}",
        ["hostname"] = Host,
        ["ipv4"] = Ipv4,
        ["ipv6"] = Ipv6,
        ["uuid"] = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
        ["uri"] = UriPattern,
        ["uri-reference"] = $"({UriPattern}|/?{UriRest})",
        ["json-pointer"] = "(/([^~/]|~[01])*)*",
        ["relative-json-pointer"] = "(0|[1-9][0-9]*)(#|(/([^~/]|~[01])*)*)",
        ["regex"] = "[A-Za-z0-9 _,:;=@<>!%&'-]*",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    // What other vocabularies use to say how a value is meant; any string (or number) of the type will do.
    private static readonly FrozenSet<string> _annotations = new[] { "password", "binary", "byte", "float", "double", "int32", "int64" }.ToFrozenSet(StringComparer.Ordinal);

    /// <summary>The supported formats, for messages.</summary>
    public static string Names { get; } = string.Join(", ", _patterns.Keys.Order(StringComparer.Ordinal));

    public static string? Find(string format) => _patterns.GetValueOrDefault(format);

    public static bool IsAnnotation(string format) => _annotations.Contains(format);
}
