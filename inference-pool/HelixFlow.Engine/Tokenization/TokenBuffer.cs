using System.Runtime.CompilerServices;

namespace HelixFlow.Engine.Tokenization;

/// <summary>A growing list of ids, kept by a thread from one text to the next. Not thread-safe.</summary>
internal sealed class TokenBuffer
{
    // What a thread keeps, 256 KiB at most: one long text must not pin its memory for good.
    private const int MaxKept = 1 << 16;

    [ThreadStatic]
    private static TokenBuffer? Kept;

    private int[] _items = new int[1024];
    private int _count;

    public int Count => _count;

    public ReadOnlySpan<int> Written => _items.AsSpan(0, _count);

    /// <summary>Takes the thread's empty buffer; <see cref="GiveBack"/> returns it.</summary>
    public static TokenBuffer Take()
    {
        var buffer = Kept ?? new TokenBuffer();
        Kept = null;
        buffer._count = 0;
        return buffer;
    }

    public void GiveBack() => Kept = _items.Length <= MaxKept ? this : null;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(int id)
    {
        var items = _items;
        var count = _count;
        if ((uint)count < (uint)items.Length)
        {
            items[count] = id;
            _count = count + 1;
        }
        else
        {
            AddSlow(id);
        }
    }

    public void AddRange(ReadOnlySpan<int> ids)
    {
        ids.CopyTo(Room(ids.Length));
        _count += ids.Length;
    }

    /// <summary>At least so many places behind the last id; <see cref="Advance"/> says how many were written.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<int> Room(int count)
    {
        if (_items.Length - _count < count)
        {
            Grow(count);
        }

        return _items.AsSpan(_count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Advance(int count) => _count += count;

    /// <summary>Forgets all ids from a place on.</summary>
    public void Truncate(int count) => _count = count;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void AddSlow(int id)
    {
        Grow(1);
        _items[_count++] = id;
    }

    private void Grow(int count) => Array.Resize(ref _items, Math.Max(_items.Length * 2, _count + count));
}
