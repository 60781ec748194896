namespace HelixFlow.Benchmarks.Cluster;

/// <summary>When the parts of one answer arrived. Times are <see cref="TimeProvider.GetTimestamp"/>s of the system's clock, which all processes share.</summary>
/// <remarks>Used by the stream's thread.</remarks>
internal sealed class StreamTrace
{
    /// <summary>When the request was sent.</summary>
    public long Started { get; set; }

    /// <summary>When its first token came; 0 while none has.</summary>
    public long First { get; private set; }

    public long Last { get; private set; }

    /// <summary>Parts of the answer; each is a token, unless it was held back as half a character.</summary>
    public int Tokens { get; private set; }

    /// <summary>Of each token after the first, how long it was on its way, when the pool told when it was emitted.</summary>
    public List<double> DelaysMicroseconds { get; } = [];

    /// <summary>The text, when it is kept.</summary>
    public System.Text.StringBuilder? Text { get; init; }

    public TimeSpan FirstToken => TimeProvider.System.GetElapsedTime(Started, First);

    public TimeSpan Total => TimeProvider.System.GetElapsedTime(Started, Last);

    /// <summary>Mean time per token after the first, in microseconds; NaN when there is none.</summary>
    public double MicrosecondsPerToken => Tokens > 1 ? TimeProvider.System.GetElapsedTime(First, Last).TotalMicroseconds / (Tokens - 1) : double.NaN;

    /// <summary>Notes a token.</summary>
    /// <param name="now">When it came.</param>
    /// <param name="emitted">When it was emitted; 0 when that is not known.</param>
    public void Note(long now, long emitted)
    {
        Tokens++;
        Last = now;
        if (First == 0)
        {
            First = now;
        }
        else if (emitted != 0)
        {
            DelaysMicroseconds.Add(TimeProvider.System.GetElapsedTime(emitted, now).TotalMicroseconds);
        }
    }
}
