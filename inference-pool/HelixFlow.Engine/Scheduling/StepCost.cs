using System.Diagnostics;

namespace HelixFlow.Engine.Scheduling;

/// <summary>
/// What a step takes, learned from the steps that ran: seconds = decode(decode rows) + prefill rows * seconds per prefill row, decode being affine.
/// </summary>
/// <remarks>
/// <para>The parts are learned one after the other. Steps without prefill rows give decode(), a line fitted by exponentially weighted least
/// squares; steps with them give the seconds per prefill row, from what they took beyond decode(). So a long time without prefill does not
/// wear away what is known of prefill, which one common regression would do. What the line does not know, for example that weights are read once for
/// both kinds of rows, ends up in the seconds per row at the chunk size that is in use: that is where the figure is needed.</para>
/// <para>A step that was delayed by something else counts as at most twice what was expected: one such step moves an estimate by a tenth, while a
/// machine that has really become slower is followed within some dozen steps.</para>
/// <para>Owned by the engine thread. No clock: times are passed in.</para>
/// </remarks>
internal sealed class StepCost
{
    // The latest step's share of an estimate: 20 steps back counts an eighth.
    private const double NewShare = 0.1;

    // How far from the expectation a step may count.
    private const double MostSurprise = 2;

    // Square of the decode rows' deviation below which their slope is not believed.
    private const double LeastSpread = 0.25;

    private double _decodeSteps; // up to 1 / NewShare
    private double _meanRows;
    private double _meanSeconds;
    private double _varianceRows;
    private double _covariance; // of rows and seconds
    private double _prefillSteps; // up to 1 / NewShare
    private double _prefillRows; // of a step, weighted mean
    private double _prefillSeconds; // of a step, beyond decode(), weighted mean

    /// <summary>Seconds per prefill row; null as long as no step had any.</summary>
    public double? SecondsPerPrefillRow => _prefillSteps > 0 ? _prefillSeconds / _prefillRows : null;

    /// <summary>Seconds of a step of decode rows alone; 0 as long as there was none.</summary>
    public double DecodeSeconds(int rows) => Math.Max(0, _meanSeconds + (Slope * (rows - _meanRows)));

    private double Slope => Math.Max(0, _covariance / (_varianceRows + LeastSpread));

    /// <summary>Learns from a step.</summary>
    /// <param name="decodeRows">Its rows of sequences that decode.</param>
    /// <param name="prefillRows">Its other rows.</param>
    /// <param name="took">How long it took.</param>
    public void Learn(int decodeRows, int prefillRows, TimeSpan took)
    {
        Debug.Assert(decodeRows >= 0 && prefillRows >= 0);
        double seconds = took.TotalSeconds;
        if (prefillRows > 0)
        {
            LearnPrefill(decodeRows, prefillRows, seconds);
        }
        else if (decodeRows > 0)
        {
            LearnDecode(decodeRows, seconds);
        }
    }

    private void LearnDecode(int rows, double seconds)
    {
        double share = Share(ref _decodeSteps);
        seconds = share < 1 ? Expected(seconds, DecodeSeconds(rows)) : seconds;
        double rowsOff = rows - _meanRows;
        double secondsOff = seconds - _meanSeconds;
        _meanRows += share * rowsOff;
        _meanSeconds += share * secondsOff;
        if (share < 1)
        {
            _varianceRows = (1 - share) * (_varianceRows + (share * rowsOff * rowsOff));
            _covariance = (1 - share) * (_covariance + (share * rowsOff * secondsOff));
        }
    }

    private void LearnPrefill(int decodeRows, int rows, double seconds)
    {
        double decode = DecodeSeconds(decodeRows);
        double share = Share(ref _prefillSteps);
        seconds = share < 1 ? Expected(seconds, decode + (rows * SecondsPerPrefillRow!.Value)) : seconds;

        // Some is left for the rows however long decode() was thought to take: a thousandth, so that the estimate can rise again.
        double beyond = Math.Max(seconds - decode, seconds / 1000);
        _prefillRows += share * (rows - _prefillRows);
        _prefillSeconds += share * (beyond - _prefillSeconds);
    }

    private static double Share(ref double steps)
    {
        double share = Math.Max(NewShare, 1 / (steps + 1));
        steps = Math.Min(steps + 1, 1 / NewShare);
        return share;
    }

    private static double Expected(double seconds, double expectation) => Math.Clamp(seconds, expectation / MostSurprise, expectation * MostSurprise);
}
