using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Threads;
using HelixFlow.Engine.Cpu.Vectors;

namespace HelixFlow.Engine.Cpu.Attention;

/// <summary>Attention over paged keys and values, in tiles of consecutive rows of a sequence and all query heads of a key/value head.</summary>
/// <remarks>
/// <para>Positions are cut into spans of a fixed length. A tile's softmax over one span is computed as a whole, and spans are merged in their order
/// by the online softmax (Milakov and Gimelshein 2018, https://arxiv.org/abs/1805.02867). So scratch memory does not depend on the context's
/// length, and a row's result does not depend, to the bit, on the rows beside it, nor on who computed which span.</para>
/// <para>A chunk of work is a tile with all its spans. Where there are too few tiles for the team, it is a single span of a tile; whoever ends a
/// tile's last span merges them.</para>
/// </remarks>
internal sealed unsafe class PagedAttention : ParallelWork, IDisposable
{
    /// <summary>Positions of a span, where blocks divide it; part of what results mean, to the bit.</summary>
    public const int SpanPositions = 256;

    // Queries that a tile has at most, unless one row has more: enough that loads of keys and values hide behind arithmetic.
    private const int TileQueries = 64;

    // Fewer tiles than this for each worker are cut into spans.
    private const int TilesPerWorker = 8;

    private const long MaxPartialBytes = 64 << 20;

    private readonly int _workers;
    private readonly VectorWidth _width;
    private readonly NativeBuffer?[] _scratch;
    private NativeBuffer? _partials;
    private Tile[] _tiles = [];
    private int[] _pending = []; // [tile, kvHead]: spans that are not done
    private SpanKernel? _kernel;
    private CpuTensor _query = null!;
    private CpuTensor _output = null!;
    private CpuKvStore? _kv;
    private Batch _batch = null!;
    private AttentionParameters _parameters;
    private int _layer;
    private int _tileCount;
    private bool _split;

    // Sizes of a tile's buffers, for the largest tile of the call.
    private int _group;
    private int _queries4;
    private int _spanBlocks;
    private int _lanes;
    private long _stateFloats;

    public PagedAttention(int workers, VectorWidth width)
    {
        _workers = workers;
        _width = width;
        _scratch = new NativeBuffer?[workers];
    }

    /// <summary>Bytes that it has allocated.</summary>
    public long SizeBytes => (_partials?.SizeBytes ?? 0) + _scratch.Sum(static scratch => scratch?.SizeBytes ?? 0);

    /// <summary>Bytes that it allocates at most for this store.</summary>
    /// <param name="layout">The store.</param>
    /// <param name="group">Query heads of a key/value head.</param>
    /// <param name="workers">Threads.</param>
    /// <param name="context">Positions of the longest sequence.</param>
    public static long MaxBytes(KvLayout layout, int group, int workers, long context)
    {
        int tileRows = Math.Max(1, TileQueries / group);
        int queries4 = ((tileRows * group) + 3) / 4 * 4;
        int spanBlocks = Math.Max(1, SpanPositions / layout.BlockSize);
        int lanes = spanBlocks * layout.Groups * CpuKvStore.GroupPositions;
        long stateFloats = SoftmaxState.Floats(queries4, layout.ValueElements);
        long spans = ((context + tileRows) / ((long)spanBlocks * layout.BlockSize)) + 2;
        long partials = Math.Max(0, (workers * TilesPerWorker) - 1) * spans * stateFloats * sizeof(float);
        return (workers * Scratch.Bytes(layout, spanBlocks, lanes, queries4, stateFloats)) + Math.Min(MaxPartialBytes, partials);
    }

    /// <summary>Sets the operation up; the result is how many chunks it has.</summary>
    public int Prepare(CpuTensor query, CpuKvStore kv, int layer, Batch batch, in AttentionParameters parameters, CpuTensor output)
    {
        if (!ReferenceEquals(kv, _kv))
        {
            _kernel = SpanKernel.Create(kv, _width);
        }

        (_query, _kv, _layer, _batch, _parameters, _output) = (query, kv, layer, batch, parameters, output);
        KvLayout layout = kv.Layout;
        _group = parameters.Heads / layout.KvHeads;
        _spanBlocks = Math.Max(1, SpanPositions / layout.BlockSize);
        _lanes = _spanBlocks * kv.Groups * CpuKvStore.GroupPositions;
        int spans = CutTiles(Math.Max(1, TileQueries / _group));
        _stateFloats = SoftmaxState.Floats(_queries4, kv.ValueElements);
        EnsureScratch();

        int tiles = _tileCount * layout.KvHeads;
        long partialBytes = (long)spans * layout.KvHeads * _stateFloats * sizeof(float);
        _split = tiles < _workers * TilesPerWorker && spans > _tileCount && partialBytes <= MaxPartialBytes;
        if (!_split)
        {
            return tiles;
        }

        if (_partials is null || _partials.SizeBytes < partialBytes)
        {
            _partials?.Dispose();
            _partials = new NativeBuffer(partialBytes);
        }

        if (_pending.Length < tiles)
        {
            _pending = new int[_workers * TilesPerWorker];
        }

        for (int i = 0; i < tiles; i++)
        {
            _pending[i] = _tiles[i / layout.KvHeads].Spans;
        }

        return spans * layout.KvHeads;
    }

    public override void Run(int chunk, int worker)
    {
        int kvHeads = _kv!.Layout.KvHeads;
        if (!_split)
        {
            // Tiles at the end of a prompt have most to do, so they come first.
            RunTile(_tiles[_tileCount - 1 - (chunk / kvHeads)], chunk % kvHeads, worker);
            return;
        }

        int tile = 0;
        while (chunk >= (_tiles[tile].FirstPartial + _tiles[tile].Spans) * kvHeads)
        {
            tile++;
        }

        chunk -= _tiles[tile].FirstPartial * kvHeads;
        RunSpan(tile, chunk / _tiles[tile].Spans, chunk % _tiles[tile].Spans, worker);
    }

    public void Dispose()
    {
        _partials?.Dispose();
        foreach (NativeBuffer? scratch in _scratch)
        {
            scratch?.Dispose();
        }
    }

    /// <summary>Cuts each sequence's rows into tiles; the result is how many spans these have together.</summary>
    private int CutTiles(int tileRows)
    {
        if (_tiles.Length < _batch.Rows)
        {
            _tiles = new Tile[_batch.MaxRows];
        }

        int spanPositions = _spanBlocks * _kv!.Layout.BlockSize;
        int spans = 0;
        int most = 0;
        _tileCount = 0;
        ReadOnlySpan<BatchSequence> sequences = _batch.Sequences;
        for (int i = 0; i < sequences.Length; i++)
        {
            BatchSequence sequence = sequences[i];
            for (int row = 0; row < sequence.RowCount; row += tileRows)
            {
                int count = Math.Min(tileRows, sequence.RowCount - row);
                int position = sequence.FirstPosition + row;
                int first = _parameters.Window == 0 ? 0 : Math.Max(0, position - _parameters.Window + 1);
                int firstSpan = first / spanPositions;
                int last = _parameters.SeesAll ? sequence.FirstPosition + sequence.RowCount - 1 : position + count - 1;
                int tileSpans = (last / spanPositions) + 1 - firstSpan;
                _tiles[_tileCount++] = new Tile(i, sequence.FirstRow + row, count, position, first, last, firstSpan, tileSpans, spans);
                spans += tileSpans;
                most = Math.Max(most, count);
            }
        }

        _queries4 = ((most * _group) + 3) / 4 * 4;
        return spans;
    }

    // A tile's spans one after the other, each merged into the tile's state.
    private void RunTile(in Tile tile, int kvHead, int worker)
    {
        var scratch = new Scratch(this, worker);
        LoadQueries(tile, kvHead, scratch.Queries);
        SoftmaxState state = new(scratch.States, _queries4);
        for (int span = 0; span < tile.Spans; span++)
        {
            Compute(tile, kvHead, span, scratch, span == 0 ? state : new SoftmaxState(scratch.States + _stateFloats, _queries4));
            if (span > 0)
            {
                _kernel!.Merge(state, new SoftmaxState(scratch.States + _stateFloats, _queries4), tile.Rows * _group);
            }
        }

        Finish(tile, kvHead, state);
    }

    private void RunSpan(int index, int kvHead, int span, int worker)
    {
        Tile tile = _tiles[index];
        var scratch = new Scratch(this, worker);
        LoadQueries(tile, kvHead, scratch.Queries);
        int kvHeads = _kv!.Layout.KvHeads;
        float* partials = (float*)_partials!.Bytes + (((tile.FirstPartial * (long)kvHeads) + (kvHead * tile.Spans)) * _stateFloats);
        Compute(tile, kvHead, span, scratch, new SoftmaxState(partials + (span * _stateFloats), _queries4));
        if (Interlocked.Decrement(ref _pending[(index * kvHeads) + kvHead]) > 0)
        {
            return;
        }

        var state = new SoftmaxState(partials, _queries4);
        for (int i = 1; i < tile.Spans; i++)
        {
            _kernel!.Merge(state, new SoftmaxState(partials + (i * _stateFloats), _queries4), tile.Rows * _group);
        }

        Finish(tile, kvHead, state);
    }

    private void Compute(in Tile tile, int kvHead, int span, in Scratch scratch, SoftmaxState state)
    {
        CpuKvStore kv = _kv!;
        int blockSize = kv.Layout.BlockSize;
        int last = tile.Last;
        int firstBlock = Math.Max(tile.First / blockSize, (tile.FirstSpan + span) * _spanBlocks);
        int endBlock = Math.Min((last / blockSize) + 1, (tile.FirstSpan + span + 1) * _spanBlocks);
        ReadOnlySpan<int> table = _batch.Sequences[tile.Sequence].BlockTable.Span;
        for (int block = firstBlock; block < endBlock; block++)
        {
            int stored = table[block];
            int at = block - firstBlock;
            scratch.ValuePointers[at] = kv.Values(_layer, stored, kvHead);
            for (int group = 0; group < kv.Groups; group++)
            {
                scratch.KeyPointers[(at * kv.Groups) + group] = kv.Keys(_layer, stored, kvHead, group);
            }
        }

        _kernel!.Run(new SpanCall
        {
            Keys = scratch.KeyPointers,
            Values = scratch.ValuePointers,
            Queries = scratch.Queries,
            Scores = scratch.Scores,
            Wide = scratch.Wide,
            State = state,
            Rows = tile.Rows,
            Group = _group,
            RowPosition = _parameters.SeesAll ? last : tile.Position,
            RowStep = _parameters.SeesAll ? 0 : 1,
            FirstPosition = firstBlock * blockSize,
            Positions = Math.Min(endBlock * blockSize, last + 1) - (firstBlock * blockSize),
            Window = _parameters.Window,
            SoftCap = _parameters.SoftCap,
            Lanes = _lanes,
        });
    }

    private void LoadQueries(in Tile tile, int kvHead, float* queries)
    {
        int headSize = _kv!.Layout.HeadSize;
        float factor = _kernel!.Factor;
        int count = tile.Rows * _group;
        for (int query = 0; query < (count + 3) / 4 * 4; query++)
        {
            float* target = queries + (query / 4 * 4 * headSize) + (query % 4);
            float* source = _query.Row(tile.Row + (query / _group)) + (((kvHead * _group) + (query % _group)) * headSize);
            for (int i = 0; i < headSize; i++)
            {
                target[4 * i] = query < count ? source[i] * _parameters.Scale * factor : 0;
            }
        }
    }

    private void Finish(in Tile tile, int kvHead, SoftmaxState state)
    {
        for (int query = 0; query < tile.Rows * _group; query++)
        {
            float* row = _output.Row(tile.Row + (query / _group));
            _kernel!.Finish(state, query, row + (((kvHead * _group) + (query % _group)) * _kv!.Layout.HeadSize));
        }
    }

    private void EnsureScratch()
    {
        long bytes = Scratch.Bytes(_kv!.Layout, _spanBlocks, _lanes, _queries4, _stateFloats);
        for (int worker = 0; worker < _scratch.Length; worker++)
        {
            if (_scratch[worker] is not { } scratch || scratch.SizeBytes < bytes)
            {
                _scratch[worker]?.Dispose();
                _scratch[worker] = new NativeBuffer(bytes);
            }
        }
    }

    /// <summary>Rows that are computed together.</summary>
    /// <param name="Sequence">Their sequence in the batch.</param>
    /// <param name="Row">The first of them in the batch.</param>
    /// <param name="Rows">How many there are.</param>
    /// <param name="Position">The first row's position.</param>
    /// <param name="First">The first position that it sees.</param>
    /// <param name="Last">The last position that the last row sees.</param>
    /// <param name="FirstSpan">The span that this is in.</param>
    /// <param name="Spans">Spans that the rows see something of.</param>
    /// <param name="FirstPartial">Spans of all tiles before this one.</param>
    private readonly record struct Tile(int Sequence, int Row, int Rows, int Position, int First, int Last, int FirstSpan, int Spans, int FirstPartial);

    /// <summary>A worker's memory for one tile.</summary>
    private readonly struct Scratch
    {
        public readonly byte** KeyPointers;   // [group of the span]
        public readonly byte** ValuePointers; // [block of the span]
        public readonly float* Queries;       // [query / 4, element, query % 4]
        public readonly float* Scores;        // [query, lane]
        public readonly float* States;        // two of them
        public readonly float* Wide;          // pointers, keys [lane, element] and values [position, element]

        public Scratch(PagedAttention owner, int worker)
        {
            CpuKvStore kv = owner._kv!;
            KeyPointers = (byte**)owner._scratch[worker]!.Bytes;
            ValuePointers = KeyPointers + (owner._spanBlocks * kv.Groups);
            Wide = (float*)KeyPointers + Align(PointerFloats(kv.Layout, owner._spanBlocks));
            Queries = Wide + Align(WideFloats(kv.Layout, owner._spanBlocks, owner._lanes));
            Scores = Queries + Align((long)owner._queries4 * kv.Layout.HeadSize);
            States = Scores + Align((long)owner._queries4 * owner._lanes);
        }

        public static long Bytes(KvLayout layout, int spanBlocks, int lanes, int queries4, long stateFloats) => sizeof(float) * (Align(PointerFloats(layout, spanBlocks))
            + Align(WideFloats(layout, spanBlocks, lanes)) + Align((long)queries4 * layout.HeadSize) + Align((long)queries4 * lanes) + (2 * stateFloats));

        private static long PointerFloats(KvLayout layout, int spanBlocks) => 2L * spanBlocks * (layout.Groups + 1);

        private static long WideFloats(KvLayout layout, int spanBlocks, int lanes) =>
            Align(PointerFloats(layout, spanBlocks)) + ((long)lanes * layout.HeadSize) + ((long)spanBlocks * layout.BlockSize * layout.ValueElements);

        private static long Align(long floats) => (floats + 15) / 16 * 16;
    }
}
