using System.Runtime.CompilerServices;
using HelixFlow.Gateway.Files;
using HelixFlow.Storage;

namespace HelixFlow.Gateway.Batches;

/// <summary>Makes the output and error files of a batch from the results that are recorded, and ends it. Thread-safe.</summary>
/// <remarks>The same results give the same files: when it is interrupted, it is done again from the beginning.</remarks>
internal sealed class BatchFinish(BatchStore store, FileStore files)
{
    private const int BytesAtOnce = 1 << 20;
    private const int LinesAtOnce = 1000;

    /// <summary>The batch as it is afterwards; null when its state has changed meanwhile.</summary>
    public async Task<Batch?> RunAsync(Batch batch, BatchStatus end, CancellationToken cancellationToken)
    {
        Blob? output = await WriteAsync(batch, end, completed: true, cancellationToken);
        Blob? error = await WriteAsync(batch, end, completed: false, cancellationToken);
        Batch? ended = await store.FinishAsync(batch, end, output, error, cancellationToken);
        if (ended is not null)
        {
            await store.DropRequestsAsync(batch.Seq, cancellationToken);
            await files.PurgeAsync(cancellationToken);
        }

        return ended;
    }

    /// <summary>A file of results; null when there are none.</summary>
    private async Task<Blob?> WriteAsync(Batch batch, BatchStatus end, bool completed, CancellationToken cancellationToken)
    {
        List<(int Line, int Bytes)> sizes = await store.ResultSizesAsync(batch.Seq, completed, cancellationToken);
        if (sizes.Count == 0)
        {
            return null;
        }

        await using var content = new ChunkStream(ReadAsync(batch, end, completed, sizes, cancellationToken), cancellationToken);
        return await files.Blobs.PutAsync(content, long.MaxValue, cancellationToken);
    }

    private async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync(
        Batch batch, BatchStatus end, bool completed, List<(int Line, int Bytes)> sizes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        int from = 0;
        while (from < sizes.Count)
        {
            int to = from;
            for (long bytes = sizes[from].Bytes; to + 1 < sizes.Count && to - from < LinesAtOnce && bytes + sizes[to + 1].Bytes <= BytesAtOnce; bytes += sizes[to].Bytes)
            {
                to++;
            }

            foreach ((int line, string customId, byte[]? result) in await store.ResultsAsync(batch.Seq, completed, sizes[from].Line, sizes[to].Line, cancellationToken))
            {
                yield return result ?? BatchResult.NotRun(batch, line, customId, end);
            }

            from = to + 1;
        }
    }
}
