namespace HelixFlow.Engine.Cpu.Memory;

/// <summary>Memory for a model's repacked matrices, cut from large pieces, so that all of it lies in huge pages: also what is smaller than one, and the ends of what is not.</summary>
/// <remarks>
/// Reading a matrix of 2 MB from ordinary pages takes a quarter longer: the processor looks each of its 600 pages up, in a virtual machine in two
/// tables. All members may be called from any thread. The system has a piece back when all that was taken from it has been given back.
/// </remarks>
internal sealed class WeightMemory
{
    // What is left of a piece has not been touched: it costs addresses, no memory.
    private const long PieceBytes = 64 << 20;

    private const int Alignment = 64;

    private readonly Lock _gate = new();
    private Piece? _current;

    /// <summary>Takes memory, aligned to a cache line. Its contents are undefined.</summary>
    public WeightSlice Take(long sizeBytes)
    {
        lock (_gate)
        {
            if (sizeBytes > PieceBytes / 2)
            {
                return Cut(new Piece(sizeBytes), sizeBytes);
            }

            if (_current is not { } piece || piece.Buffer.IsClosed || piece.Taken + sizeBytes > PieceBytes)
            {
                _current = piece = new Piece(PieceBytes);
            }

            return Cut(piece, sizeBytes);
        }
    }

    private unsafe WeightSlice Cut(Piece piece, long sizeBytes)
    {
        var slice = new WeightSlice(piece.Buffer.Bytes + piece.Taken, sizeBytes, () => GiveBack(piece));
        piece.Taken = (piece.Taken + sizeBytes + Alignment - 1) & ~(Alignment - 1L);
        piece.Slices++;
        return slice;
    }

    private void GiveBack(Piece piece)
    {
        lock (_gate)
        {
            if (--piece.Slices == 0)
            {
                piece.Buffer.Dispose();
            }
        }
    }

    private sealed class Piece(long sizeBytes)
    {
        public NativeBuffer Buffer { get; } = new(sizeBytes);

        public long Taken { get; set; }

        public int Slices { get; set; }
    }
}

/// <summary>A matrix's part of a <see cref="WeightMemory"/>.</summary>
internal sealed unsafe class WeightSlice(byte* bytes, long sizeBytes, Action giveBack) : IDisposable
{
    private Action? _giveBack = giveBack;

    /// <summary>Where it begins; valid until it is disposed of.</summary>
    public byte* Bytes { get; } = bytes;

    /// <summary>Its size.</summary>
    public long SizeBytes { get; } = sizeBytes;

    /// <summary>Gives it back; again does nothing.</summary>
    public void Dispose() => Interlocked.Exchange(ref _giveBack, null)?.Invoke();
}
