using System.Text.Json.Serialization;

namespace HelixFlow.Agents.Fetching;

/// <summary>Why there is no page.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<FetchFailure>))]
public enum FetchFailure
{
    /// <summary>It is no address of HTTP.</summary>
    [JsonStringEnumMemberName("bad_address")]
    BadAddress,

    /// <summary>It is in a network, or behind a port, that may not be reached.</summary>
    [JsonStringEnumMemberName("refused_address")]
    RefusedAddress,

    /// <summary>The host asks robots not to read it.</summary>
    [JsonStringEnumMemberName("robots")]
    Robots,

    /// <summary>The name is not known, or nobody answers, or the connection broke.</summary>
    [JsonStringEnumMemberName("unreachable")]
    Unreachable,

    /// <summary>Its certificate will not do, or TLS failed otherwise.</summary>
    [JsonStringEnumMemberName("tls")]
    Tls,

    /// <summary>What it answers is not HTTP as it should be.</summary>
    [JsonStringEnumMemberName("bad_answer")]
    BadAnswer,

    /// <summary>It answered with an error.</summary>
    [JsonStringEnumMemberName("http_status")]
    HttpStatus,

    /// <summary>It asks for a longer pause than it gets.</summary>
    [JsonStringEnumMemberName("rate_limited")]
    RateLimited,

    /// <summary>It redirects in a circle, or too often.</summary>
    [JsonStringEnumMemberName("redirects")]
    Redirects,

    /// <summary>Page or headers are larger than is read.</summary>
    [JsonStringEnumMemberName("too_large")]
    TooLarge,

    /// <summary>It took too long.</summary>
    [JsonStringEnumMemberName("too_slow")]
    TooSlow,

    /// <summary>It is nothing with text that can be read here.</summary>
    [JsonStringEnumMemberName("content_type")]
    ContentType,

    /// <summary>It has no text.</summary>
    [JsonStringEnumMemberName("empty")]
    Empty,
}

/// <summary>A page, or why there is none.</summary>
/// <param name="Page">The page.</param>
/// <param name="Failure">Why there is none.</param>
/// <param name="Reason">The same in a sentence, for people.</param>
public sealed record FetchResult(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] WebPage? Page,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] FetchFailure? Failure,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Reason);

/// <summary>The text of a page as a reader sees it.</summary>
/// <param name="Url">Where it was at last, after redirects.</param>
/// <param name="Title">Its title; empty when it has none.</param>
/// <param name="Text">Its text.</param>
/// <param name="Sha256">The hash of the text's UTF-8, in lower-case hexadecimal digits.</param>
/// <param name="ContentType">What it was sent as.</param>
/// <param name="FetchedAt">When.</param>
public sealed record WebPage(string Url, string Title, string Text, string Sha256, string ContentType, DateTimeOffset FetchedAt);

/// <summary>Ends a fetch with a failure.</summary>
internal sealed class FetchException(FetchFailure failure, string message, Exception? cause = null) : Exception(message, cause)
{
    public FetchFailure Failure => failure;
}
