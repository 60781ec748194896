using HelixFlow.Gateway.Anthropic;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Errors;

/// <summary>How a request's errors are told: each API that is served has a form of its own.</summary>
internal enum ErrorForm
{
    /// <summary>A problem of RFC 9457: what belongs to no API of another maker.</summary>
    Problem,

    OpenAi,

    Anthropic,

    Ollama,
}

/// <summary>The one place that says which form belongs to which path.</summary>
internal static class ErrorForms
{
    // A path's more special rule stands before its general one.
    private static readonly (PathString Path, ErrorForm Form)[] _rules =
    [
        ("/v1/messages", ErrorForm.Anthropic),
        ("/v1", ErrorForm.OpenAi),
        ("/rerank", ErrorForm.OpenAi),
        ("/score", ErrorForm.OpenAi),
        ("/tokenize", ErrorForm.OpenAi),
        ("/detokenize", ErrorForm.OpenAi),
        ("/api/v1", ErrorForm.Problem),
        ("/api", ErrorForm.Ollama),
    ];

    /// <summary>The form of a request's errors; on paths that OpenAI's API and Anthropic's share, their clients' headers decide.</summary>
    public static ErrorForm Of(HttpRequest request)
    {
        foreach ((PathString path, ErrorForm form) in _rules)
        {
            if (request.Path.StartsWithSegments(path))
            {
                return form == ErrorForm.OpenAi && AnthropicClient.Sent(request) ? ErrorForm.Anthropic : form;
            }
        }

        return ErrorForm.Problem;
    }
}
