using System.Text.RegularExpressions;

namespace HelixFlow.Cli.Pull;

/// <summary>What to pull: a repository of a Hugging Face hub or one file at a URL.</summary>
/// <param name="Repository">owner/name, or null when <paramref name="Url"/> is set.</param>
/// <param name="Selector">What followed the colon after the repository: a quantisation, file name or pattern.</param>
/// <param name="Url">The address of a single file.</param>
internal sealed partial record PullSource(string? Repository, string? Selector, Uri? Url)
{
    /// <exception cref="PullException">The text is neither.</exception>
    public static PullSource Parse(string text)
    {
        if (text.Contains("://", StringComparison.Ordinal))
        {
            return Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https"
                ? new PullSource(null, null, url)
                : throw new PullException($"'{text}' is not an http or https address");
        }

        Match match = RepositoryPattern().Match(text);
        return match.Success && !match.Groups[1].Value.Contains("..", StringComparison.Ordinal)
            ? new PullSource(match.Groups[1].Value, match.Groups[2].Success ? match.Groups[2].Value : null, null)
            : throw new PullException($"'{text}' is neither a repository (owner/name or owner/name:Q4_K_M) nor a URL");
    }

    [GeneratedRegex(@"\A([A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*)(?::(\S+))?\z")]
    private static partial Regex RepositoryPattern();
}
