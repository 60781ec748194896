namespace HelixFlow.Agents.Searching;

/// <summary>Finds pages. Thread-safe.</summary>
public interface ISearchProvider
{
    /// <summary>What it is called in results, for example <c>searxng</c>.</summary>
    string Name { get; }

    /// <summary>Whether it searches what the operator has put here, not the web.</summary>
    bool IsLocal { get; }

    /// <summary>The best pages first.</summary>
    /// <exception cref="SearchException">It cannot search at this moment, or answers with something else.</exception>
    Task<IReadOnlyList<SearchHit>> SearchAsync(SearchQuery query, CancellationToken cancellationToken);
}

/// <summary>What is searched.</summary>
/// <param name="Text">Words.</param>
/// <param name="Limit">Most pages.</param>
/// <param name="Language">A BCP 47 tag; null for any. Providers that know no languages leave it alone.</param>
public sealed record SearchQuery(string Text, int Limit, string? Language);

/// <summary>A page that was found.</summary>
/// <param name="Url">Where it is; <c>local:</c> and a path for a page of the operator's folder.</param>
/// <param name="Title">Its title; may be empty.</param>
/// <param name="Snippet">What the provider shows of it; may be empty.</param>
public sealed record SearchHit(string Url, string Title, string Snippet);

/// <summary>A search that could not be done; the message says why, for people.</summary>
public sealed class SearchException(string message, Exception? cause = null) : Exception(message, cause);
