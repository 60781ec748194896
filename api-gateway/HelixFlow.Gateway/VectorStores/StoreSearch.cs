using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Schemas;
using HelixFlow.Storage;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>What is looked for.</summary>
/// <param name="Queries">At least one, none of them empty.</param>
/// <param name="Filter">Null for all files.</param>
/// <param name="Most">Results.</param>
/// <param name="Ranking">What comes first.</param>
internal sealed record SearchRequest(IReadOnlyList<string> Queries, AttributeFilter? Filter, int Most, RankingOptions Ranking)
{
    /// <summary>Results when a client does not say how many.</summary>
    public const int UsualResults = 10;

    /// <summary>Results that may be asked for.</summary>
    public const int MostResults = 50;
}

/// <summary>A chunk that was found.</summary>
internal sealed record SearchResult(string FileId, string Filename, string? Attributes, double Score, string Text);

/// <summary>Searches a store: every vector is compared, the words are looked up, and the two rankings are joined. Thread-safe.</summary>
internal sealed class StoreSearch(IDatabase database, TextEmbedder embedder, SegmentCache cache, TimeProvider time)
{
    private const int Candidates = 100; // of each ranking
    private const int MostWords = 64; // of a query

    /// <exception cref="OpenAiException">There is no such store, it has expired, or its model refused.</exception>
    public async Task<List<SearchResult>> RunAsync(string project, string id, SearchRequest request, string requestId, CancellationToken cancellationToken)
    {
        long now = time.GetUtcNow().ToUnixTimeSeconds();
        (VectorStore store, Dictionary<long, SearchedFile> files) = await database.ReadAsync(
            session =>
            {
                VectorStore found = VectorCatalog.FindActive(session, project, id, now);
                return (found, Files(session, found, request.Filter));
            },
            cancellationToken);
        List<SearchResult> results = files.Count == 0 || store.Model is null ? [] : await FindAsync(project, store, files, request, requestId, cancellationToken);
        await database.WriteAsync(session => { session.Execute("update vector_stores set last_active_at = $2 where seq = $1 and last_active_at < $2", store.Seq, now); }, cancellationToken);
        return results;
    }

    /// <summary>The words of a query as the text index takes them; null when it has none.</summary>
    internal static string? Words(string query, long store)
    {
        var words = new HashSet<string>(StringComparer.Ordinal);
        var word = new StringBuilder();
        foreach (Rune rune in query.EnumerateRunes().Append(new Rune(' ')))
        {
            if (Rune.IsLetterOrDigit(rune) || Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.NonSpacingMark)
            {
                word.Append(rune);
            }
            else if (word.Length > 0)
            {
                words.Add(word.ToString());
                word.Clear();
            }
        }

        return words.Count == 0 ? null : $"scope : {IngestionStore.ScopeOf(store)} AND text : ({string.Join(" OR ", words.Take(MostWords).Select(static word => $"\"{word}\""))})";
    }

    private static Dictionary<long, SearchedFile> Files(SqlSession session, VectorStore store, AttributeFilter? filter)
    {
        var files = new Dictionary<long, SearchedFile>();
        foreach (SearchedFile file in session.Query(
            "select seq, file_id, filename, attributes from vector_files where store = $1 and status = 'completed' order by seq",
            static row => new SearchedFile(row.GetInt64(0), row.GetString(1), row.GetString(2), row.IsDBNull(3) ? null : row.GetString(3)),
            store.Seq))
        {
            if (filter is null || Passes(filter, file.Attributes))
            {
                files.Add(file.Seq, file);
            }
        }

        return files;
    }

    private static bool Passes(AttributeFilter filter, string? attributes)
    {
        using var document = JsonDocument.Parse(attributes ?? "{}");
        return filter.Passes(document.RootElement);
    }

    private async Task<List<SearchResult>> FindAsync(
        string project, VectorStore store, Dictionary<long, SearchedFile> files, SearchRequest request, string requestId, CancellationToken cancellationToken)
    {
        NearestVectors[] nearest = await QueriesAsync(project, store, request.Queries, requestId, cancellationToken);
        foreach (long file in files.Keys)
        {
            VectorSegment segment = cache.Find(file) ?? await LoadAsync(file, store.Dimensions, cancellationToken);
            foreach (NearestVectors query in nearest)
            {
                query.Scan(segment);
            }
        }

        List<(long Chunk, float Score)>[] byVector = [.. nearest.Select(static query => query.ToList())];
        List<(long Chunk, double Score)> ranked;
        if (request.Ranking.IsHybrid)
        {
            List<long>[] byWords = await database.ReadAsync(
                session => request.Queries.Select(query => database.Dialect == SqlDialect.Postgres
                    ? WordIndex.Find(session, query, files.Keys, MostWords, Candidates)
                    : ByWords(session, store.Seq, query, request.Filter is null ? null : files.Keys)).ToArray(), cancellationToken);
            ranked = RankFusion.Join(
            [
                .. byVector.Select(list => (list.ConvertAll(static found => found.Chunk), request.Ranking.VectorWeight)),
                .. byWords.Select(list => (list, request.Ranking.WordWeight)),
            ]);
        }
        else
        {
            ranked = [.. byVector.SelectMany(static list => list).GroupBy(static found => found.Chunk)
                .Select(static found => (found.Key, (double)Math.Clamp(found.Max(static one => one.Score), 0, 1)))
                .OrderByDescending(static found => found.Item2).ThenBy(static found => found.Key)];
        }

        return await ShowAsync(ranked, files, request, cancellationToken);
    }

    private async Task<NearestVectors[]> QueriesAsync(string project, VectorStore store, IReadOnlyList<string> queries, string requestId, CancellationToken cancellationToken)
    {
        float[][] vectors;
        try
        {
            EmbeddingModel model = await embedder.FindAsync(store.Model!, cancellationToken);
            vectors = await embedder.EmbedAsync(model, queries, project, 0, requestId, cancellationToken);
        }
        catch (InferenceException exception)
        {
            throw new OpenAiException(OpenAiError.Of(exception, "query"), exception);
        }

        return vectors[0].Length == store.Dimensions
            ? [.. vectors.Select(static vector => new NearestVectors(vector, Candidates))]
            : throw new OpenAiException(OpenAiError.Invalid(
                $"The model '{store.Model}' now makes vectors of {vectors[0].Length} values, and those of this store have {store.Dimensions}: add its files again to a new store.", "vector_store_id"));
    }

    private async Task<VectorSegment> LoadAsync(long file, int dimensions, CancellationToken cancellationToken)
    {
        VectorSegment segment = await database.ReadAsync(
            session =>
            {
                long count = session.Number("select count(*) from vector_chunks where file = $1", file);
                long[] chunks = new long[count];
                float[] vectors = new float[count * dimensions];
                int next = 0;
                session.Query(
                    "select seq, vector from vector_chunks where file = $1 order by position",
                    row =>
                    {
                        chunks[next] = row.GetInt64(0);
                        IngestionStore.Read((byte[])row.GetValue(1), vectors.AsSpan(next++ * dimensions, dimensions));
                        return 0;
                    },
                    file);
                return new VectorSegment(chunks, vectors);
            },
            cancellationToken);
        cache.Add(file, segment);
        return segment;
    }

    private static List<long> ByWords(SqlSession session, long store, string query, IEnumerable<long>? files)
    {
        if (Words(query, store) is not { } match)
        {
            return [];
        }

        // The scope tells stores apart and weighs nothing.
        return files is null
            ? session.Query(
                "select rowid from vector_words where vector_words match $1 order by bm25(vector_words, 0, 1), rowid limit $2", static row => row.GetInt64(0), match, Candidates)
            : session.Query(
                """
                select w.rowid from vector_words w join vector_chunks c on c.seq = w.rowid
                where vector_words match $1 and c.file in (select value from json_each($3)) order by bm25(vector_words, 0, 1), w.rowid limit $2
                """,
                static row => row.GetInt64(0),
                match, Candidates, $"[{string.Join(',', files)}]");
    }

    // What was removed since it was found is left out.
    private Task<List<SearchResult>> ShowAsync(List<(long Chunk, double Score)> ranked, Dictionary<long, SearchedFile> files, SearchRequest request, CancellationToken cancellationToken) =>
        database.ReadAsync(
            session =>
            {
                var results = new List<SearchResult>();
                foreach ((long chunk, double score) in ranked)
                {
                    if (results.Count == request.Most || score < request.Ranking.Threshold)
                    {
                        break;
                    }

                    (long File, string Text)? found = session.First(
                        "select file, text from vector_chunks where seq = $1", static row => ((long, string)?)(row.GetInt64(0), row.GetString(1)), chunk);
                    if (found is { } shown && files.TryGetValue(shown.File, out SearchedFile? file))
                    {
                        results.Add(new SearchResult(file.FileId, file.Filename, file.Attributes, score, shown.Text));
                    }
                }

                return results;
            },
            cancellationToken);

    private sealed record SearchedFile(long Seq, string FileId, string Filename, string? Attributes);
}
