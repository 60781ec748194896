namespace HelixFlow.Engine.Backends;

/// <summary>A float32 activation matrix on a device: [Rows, Columns], with room for MaxRows rows.</summary>
public abstract class DeviceTensor : IDisposable
{
    private int _rows;

    protected DeviceTensor(int maxRows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxRows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        MaxRows = maxRows;
        Columns = columns;
    }

    public int MaxRows { get; }

    public int Columns { get; }

    /// <summary>Rows in use, 0 to <see cref="MaxRows"/>.</summary>
    public int Rows
    {
        get => _rows;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, MaxRows);
            _rows = value;
        }
    }

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}

/// <summary>Model weights on a device: a matrix [Rows, Columns], or a vector with one row.</summary>
public abstract class DeviceWeight(int rows, int columns) : IDisposable
{
    public int Rows { get; } = rows;

    public int Columns { get; } = columns;

    /// <summary>Bytes this weight occupies on the device; 0 when it shares the file's pages.</summary>
    public abstract long SizeBytes { get; }

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}
