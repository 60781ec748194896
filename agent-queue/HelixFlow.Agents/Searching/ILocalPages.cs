using HelixFlow.Agents.Fetching;

namespace HelixFlow.Agents.Searching;

/// <summary>Reads the pages of the operator's folder, here or at a server. Thread-safe.</summary>
public interface ILocalPages
{
    /// <summary>Reads a page.</summary>
    /// <param name="url">Its address, as a search has given it.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="SearchException">Nothing can be read at this moment.</exception>
    Task<FetchResult> ReadAsync(string url, CancellationToken cancellationToken);
}
