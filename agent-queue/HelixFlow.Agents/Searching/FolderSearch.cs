using System.Security.Cryptography;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.Texts;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Searching;

/// <summary>
/// Searches a folder of texts, Markdown and HTML by their words: SQLite's FTS5 ranks with BM25 (k1 = 1.2, b = 0.75; a title's words count four
/// times).
/// </summary>
/// <remarks>
/// The index follows the folder: before a search that finds it old, files whose length or time has changed are read, and those whose content has
/// changed are indexed anew. It
/// lives in a database of its own, so that a restart reads nothing twice. Thread-safe.
/// </remarks>
public sealed class FolderSearch(IDatabase database, FolderOptions options, TimeProvider time) : ISearchProvider, ILocalPages, IDisposable
{
    /// <summary>What the addresses of its pages begin with.</summary>
    public const string Scheme = "local:";

    private const int FilesAtOnce = 64;
    private const int MostWords = 32;
    private const int DeepestFolder = 32;

    private static readonly Dictionary<string, string> _types = new(StringComparer.OrdinalIgnoreCase)
    {
        [".txt"] = "text/plain", [".text"] = "text/plain", [".rst"] = "text/plain", [".md"] = "text/markdown", [".markdown"] = "text/markdown",
        [".html"] = "text/html", [".htm"] = "text/html", [".xhtml"] = "text/html",
    };

    private readonly string _root = Path.GetFullPath(options.Folder);
    private readonly SemaphoreSlim _refresh = new(1);
    private long? _refreshedAt;

    /// <inheritdoc />
    public string Name => "folder";

    /// <inheritdoc />
    public bool IsLocal => true;

    /// <summary>Files that were indexed by this object, not found unchanged.</summary>
    internal int Indexed { get; private set; }

    /// <inheritdoc />
    public async Task<IReadOnlyList<SearchHit>> SearchAsync(SearchQuery query, CancellationToken cancellationToken)
    {
        await RefreshAsync(cancellationToken).ConfigureAwait(false);
        string[] words = [.. Words.Of(query.Text).Distinct(StringComparer.Ordinal).Take(MostWords)];
        if (words.Length == 0)
        {
            return [];
        }

        string match = string.Join(" OR ", words.Select(static word => $"\"{word}\""));
        return await Guarded(() => database.ReadAsync(session => session.Query(
            """
            select p.path, p.title from page_words w join pages p on p.seq = w.rowid
            where page_words match $1 order by bm25(page_words, 4.0, 1.0), p.path limit $2
            """,
            static row => new SearchHit(Scheme + row.GetString(0), row.GetString(1), ""), match, query.Limit), cancellationToken)).ConfigureAwait(false);
    }

    /// <inheritdoc />
    public async Task<FetchResult> ReadAsync(string url, CancellationToken cancellationToken)
    {
        await RefreshAsync(cancellationToken).ConfigureAwait(false);
        string path = url.StartsWith(Scheme, StringComparison.Ordinal) ? url[Scheme.Length..] : "";

        // A path that is in the index is one that was found in the folder: none with ".." or of another folder is.
        long known = await Guarded(
            () => database.ReadAsync(session => session.Number("select count(*) from pages where path = $1", path), cancellationToken)).ConfigureAwait(false);
        if (known == 0)
        {
            return new FetchResult(null, FetchFailure.Unreachable, "There is no such file in the folder.");
        }

        try
        {
            byte[] bytes = await ReadFileAsync(path, cancellationToken).ConfigureAwait(false);
            return new FetchResult(PageReader.Read(url, bytes, _types[Path.GetExtension(path)], null, time.GetUtcNow()), null, null);
        }
        catch (FetchException exception)
        {
            return new FetchResult(null, exception.Failure, exception.Message);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return new FetchResult(null, FetchFailure.Unreachable, "The file cannot be read.");
        }
    }

    /// <inheritdoc />
    public void Dispose() => _refresh.Dispose();

    /// <summary>Brings the index up to date, when it is older than it may be.</summary>
    /// <exception cref="SearchException">The folder cannot be read.</exception>
    internal async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await _refresh.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_refreshedAt is { } at && time.GetElapsedTime(at) < options.Freshness)
            {
                return;
            }

            Dictionary<string, Entry> known = await Guarded(() => KnownAsync(cancellationToken)).ConfigureAwait(false);
            List<FileInfo> changed = [];
            foreach ((string path, FileInfo file) in Files())
            {
                if (!known.Remove(path, out Entry? entry) || entry.Length != file.Length || entry.Modified != file.LastWriteTimeUtc.Ticks)
                {
                    changed.Add(file);
                }
            }

            if (known.Count > 0)
            {
                await Guarded(() => RemoveAsync([.. known.Keys], cancellationToken)).ConfigureAwait(false);
            }

            foreach (FileInfo[] some in changed.Chunk(FilesAtOnce))
            {
                Indexed += await Guarded(() => IndexAsync(some, cancellationToken)).ConfigureAwait(false);
            }

            _refreshedAt = time.GetTimestamp();
        }
        finally
        {
            _refresh.Release();
        }
    }

    private Task<Dictionary<string, Entry>> KnownAsync(CancellationToken cancellationToken) => database.ReadAsync(
        static session => session.Query("select path, length, modified from pages", static row => (Path: row.GetString(0), Entry: new Entry(row.GetInt64(1), row.GetInt64(2))))
            .ToDictionary(static row => row.Path, static row => row.Entry, StringComparer.Ordinal),
        cancellationToken);

    private List<(string Path, FileInfo File)> Files()
    {
        try
        {
            var search = new EnumerationOptions
            {
                RecurseSubdirectories = true, MaxRecursionDepth = DeepestFolder, IgnoreInaccessible = true,
                AttributesToSkip = FileAttributes.Hidden | FileAttributes.System | FileAttributes.ReparsePoint,
            };
            return
            [
                .. new DirectoryInfo(_root).EnumerateFiles("*", search).Where(file => _types.ContainsKey(file.Extension) && file.Length <= options.MaxFileBytes)
                    .Select(file => (Path.GetRelativePath(_root, file.FullName).Replace(Path.DirectorySeparatorChar, '/'), file))
                    .OrderBy(static pair => pair.Item1, StringComparer.Ordinal).Take(options.MaxFiles),
            ];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new SearchException($"The folder of local pages cannot be read: {exception.Message}", exception);
        }
    }

    private async Task<int> IndexAsync(FileInfo[] files, CancellationToken cancellationToken)
    {
        var pages = new List<IndexedPage>();
        foreach (FileInfo file in files)
        {
            string path = Path.GetRelativePath(_root, file.FullName).Replace(Path.DirectorySeparatorChar, '/');
            (string title, string words, string hash) = ("", "", "");
            try
            {
                byte[] bytes = await ReadFileAsync(path, cancellationToken).ConfigureAwait(false);
                hash = Convert.ToHexStringLower(SHA256.HashData(bytes));
                WebPage page = PageReader.Read(Scheme + path, bytes, _types[file.Extension], null, time.GetUtcNow());
                title = page.Title.Length > 0 ? page.Title : Path.GetFileNameWithoutExtension(path);
                words = string.Join(' ', Words.Of(page.Text));
            }
            catch (Exception exception) when (exception is FetchException or IOException or UnauthorizedAccessException)
            {
                // Nothing to find in it, until it changes.
            }

            pages.Add(new IndexedPage(path, file.Length, file.LastWriteTimeUtc.Ticks, hash, title, words));
        }

        return await database.WriteAsync(session => pages.Count(page => Write(session, page)), cancellationToken).ConfigureAwait(false);
    }

    private static bool Write(SqlSession session, IndexedPage page)
    {
        if (session.Execute("update pages set length = $1, modified = $2 where path = $3 and hash = $4", page.Length, page.Modified, page.Path, page.Hash) > 0)
        {
            return false;
        }

        session.Execute("delete from pages where path = $1", page.Path);
        long seq = session.Number(
            "insert into pages (path, length, modified, hash, title) values ($1, $2, $3, $4, $5) returning seq",
            page.Path, page.Length, page.Modified, page.Hash, page.Title);
        session.Execute("insert into page_words (rowid, title, words) values ($1, $2, $3)", seq, string.Join(' ', Words.Of(page.Title)), page.Words);
        return true;
    }

    private Task<int> RemoveAsync(string[] paths, CancellationToken cancellationToken) => database.WriteAsync(
        session => paths.Sum(path => session.Execute("delete from pages where path = $1", path)), cancellationToken);

    private async Task<byte[]> ReadFileAsync(string path, CancellationToken cancellationToken)
    {
        await using var file = new FileStream(Path.Combine(_root, path), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (file.Length > options.MaxFileBytes)
        {
            throw new FetchException(FetchFailure.TooLarge, $"It is larger than {options.MaxFileBytes} bytes.");
        }

        byte[] bytes = new byte[file.Length];
        int read = await file.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        return bytes[..read];
    }

    private static async Task<T> Guarded<T>(Func<Task<T>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (StorageException exception)
        {
            throw new SearchException($"The index of local pages: {exception.Message}", exception);
        }
    }

    private sealed record Entry(long Length, long Modified);

    private sealed record IndexedPage(string Path, long Length, long Modified, string Hash, string Title, string Words);
}
