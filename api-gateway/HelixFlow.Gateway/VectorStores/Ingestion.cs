using HelixFlow.Gateway.Routing;
using HelixFlow.Storage;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>Reads a file into its store: cuts it, makes the vectors that are missing, and lets searches find it. Thread-safe.</summary>
/// <remarks>
/// What is done is in the database, step by step: after a crash the file goes on with the first chunk that has no vector. Its requests have the
/// lowest priority, so that it yields to whoever waits.
/// </remarks>
internal sealed class Ingestion(IngestionStore store, BlobFolder blobs, TextEmbedder embedder, VectorStoreOptions options)
{
    private const int CountedAtOnce = 4;
    private const int RoomForSpecialTokens = 4;

    /// <exception cref="IngestionException">The file cannot be read into the store.</exception>
    /// <exception cref="Schemas.InferenceException">The pool refused or failed.</exception>
    public async Task RunAsync(StoreFile file, CancellationToken cancellationToken)
    {
        if (await store.StoreAsync(file, cancellationToken) is not { } owner)
        {
            return;
        }

        EmbeddingModel? model = null;
        if (!file.IsCut)
        {
            string text = ExtractedText.Of(file.Filename, await ReadAsync(file, cancellationToken));
            model = await embedder.FindAsync(owner.Model, cancellationToken);
            await store.CutAsync(file, await ChunksAsync(model, text, file.Chunking, cancellationToken), cancellationToken);
        }

        while (await store.OpenAsync(file, TextEmbedder.MostTexts, cancellationToken) is { Count: > 0 } open)
        {
            model ??= await embedder.FindAsync(owner.Model, cancellationToken);
            float[][] vectors = await embedder.EmbedAsync(
                model, open.Select(static chunk => chunk.Text), owner.Project, FairQueue<object>.LowestPriority, $"{file.StoreId}-{open[0].Seq}", cancellationToken);
            await store.AddVectorsAsync(file, open, vectors, cancellationToken);
        }

        await store.CompleteAsync(file, cancellationToken);
    }

    /// <summary>The text of a file.</summary>
    /// <exception cref="IngestionException">It is gone, too large, or no text.</exception>
    public async Task<string> TextAsync(StoreFile file, CancellationToken cancellationToken) => ExtractedText.Of(file.Filename, await ReadAsync(file, cancellationToken));

    private async Task<byte[]> ReadAsync(StoreFile file, CancellationToken cancellationToken)
    {
        try
        {
            await using FileStream content = blobs.Open(file.Hash);
            if (content.Length > options.MaxFileBytes)
            {
                throw new IngestionException(IngestionException.Invalid, $"The file has {content.Length} bytes, and a file of a vector store may have {options.MaxFileBytes}.");
            }

            byte[] bytes = new byte[content.Length];
            await content.ReadExactlyAsync(bytes, cancellationToken);
            return bytes;
        }
        catch (FileNotFoundException)
        {
            throw new IngestionException(IngestionException.Server, "The file has been deleted.");
        }
    }

    private async Task<List<string>> ChunksAsync(EmbeddingModel model, string text, ChunkingStrategy strategy, CancellationToken cancellationToken)
    {
        List<(int Start, int Length)> cut = TextChunks.Cut(text);
        var pieces = new TextChunks.Piece[cut.Count];
        var limits = new ParallelOptions { MaxDegreeOfParallelism = CountedAtOnce, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, cut.Count, limits, async (i, token) =>
        {
            (int start, int length) = cut[i];
            pieces[i] = new TextChunks.Piece(start, length, await embedder.CountAsync(model, text.Substring(start, length), token));
        });
        return [.. TextChunks.Gather(pieces, Fit(strategy, model.ContextLength))
            .Select(chunk => text.Substring(chunk.Start, chunk.Length)).Where(static chunk => !string.IsNullOrWhiteSpace(chunk))];
    }

    // A model that takes less than a chunk would not see its end.
    private static ChunkingStrategy Fit(ChunkingStrategy strategy, int contextLength)
    {
        int most = contextLength > 0 ? Math.Max(1, Math.Min(strategy.MaxTokens, contextLength - RoomForSpecialTokens)) : strategy.MaxTokens;
        return new ChunkingStrategy(most, Math.Min(strategy.OverlapTokens, most / 2));
    }
}
