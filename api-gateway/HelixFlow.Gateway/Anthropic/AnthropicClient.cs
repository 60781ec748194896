using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Anthropic;

/// <summary>Tells clients of Anthropic's API from others, where both use one path.</summary>
internal static class AnthropicClient
{
    /// <summary>Whether such a client has sent the request: every one names the version of the API that it speaks.</summary>
    public static bool Sent(HttpRequest request) => request.Headers.ContainsKey("anthropic-version");
}
