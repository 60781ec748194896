namespace HelixFlow.Gateway.Routing;

/// <summary>What a node reports about the sequences of one engine, or of all its engines together.</summary>
/// <param name="Waiting">Sequences that wait for their start; at least 0.</param>
/// <param name="Running">Sequences in the batch; at least 0.</param>
/// <param name="MaxSequences">Most sequences that run at once; 0 where the node does not say.</param>
/// <param name="FreeBlocks">KV blocks that a new sequence could have, those kept for prefix reuse included; at least 0.</param>
/// <param name="TotalBlocks">All KV blocks; 0 where the node does not say.</param>
internal readonly record struct LoadReport(int Waiting, int Running, int MaxSequences, int FreeBlocks, int TotalBlocks);

/// <summary>How busy an engine is: its last report, corrected by what this gateway has sent there since.</summary>
/// <remarks>Without the correction every request between two reports would go to the node that looked best in the last one. Guarded by the router's lock.</remarks>
/// <param name="inFlight">Requests of this gateway that are there already.</param>
internal sealed class SequenceLoad(int inFlight)
{
    private LoadReport _report;
    private int _sinceReport; // sent minus ended

    /// <summary>Requests that this gateway has sent there and that have not ended.</summary>
    public int InFlight { get; private set; } = inFlight;

    public int MaxSequences => Math.Max(1, _report.MaxSequences);

    /// <summary>
    /// Sequences there now, as well as it can be known: the report plus what changed since. It is never below what this gateway alone has sent,
    /// which covers requests that were on their way when the report was written.
    /// </summary>
    public int Sequences => Math.Max(InFlight, _report.Waiting + _report.Running + _sinceReport);

    /// <summary>Share of the KV blocks that are free: [0, 1]; 1 where the node does not say.</summary>
    public double FreeKvShare => _report.TotalBlocks == 0 ? 1 : Math.Clamp((double)_report.FreeBlocks / _report.TotalBlocks, 0, 1);

    public void Report(in LoadReport report)
    {
        _report = report;
        _sinceReport = 0;
    }

    public void Started()
    {
        InFlight++;
        _sinceReport++;
    }

    public void Ended()
    {
        InFlight--;
        _sinceReport--;
    }
}
