using System.Diagnostics;

namespace HelixFlow.Engine.Speculation;

/// <summary>What a step of so many rows takes, learnt from the steps that ran.</summary>
/// <remarks>
/// <para>A step that is limited by reading the weights costs hardly more with further rows, one that is limited by arithmetic costs as much for
/// each; where a machine, a model and a kernel change from one to the other is measured rather than assumed. Row counts that have not run lie
/// on the line between their neighbours, or almost as cheap as the largest below them: so they are tried.</para>
/// <para>Shorter times than believed are learnt fast and longer ones slowly, since a busy machine delays some steps and hurries none. What has not
/// been measured for long is doubted by and by, so that one bad moment does not end the trials for ever. Owned by the engine thread; does not
/// allocate.</para>
/// </remarks>
internal sealed class StepCosts(int maxRows)
{
    private const double RowShare = 0.02; // of a step, for each further row, as long as nothing is known
    private const double GainDown = 0.5; // weight of a shorter time
    private const double GainUp = 0.1; // weight of a longer one
    private const double Surprise = 0.5; // by which a longer time counts as longer at most, relative to what was believed
    private const double Forgetting = 1.0 / 500; // per step

    private readonly double[] _seconds = new double[maxRows + 1]; // [rows], 0 when unknown
    private readonly double[] _doubt = new double[maxRows + 1]; // 0 to 1

    /// <summary>The most rows that it knows of.</summary>
    public int MaxRows => maxRows;

    /// <summary>Notes a step.</summary>
    /// <param name="rows">Its rows; more than <see cref="MaxRows"/> are ignored.</param>
    /// <param name="elapsed">How long it took; nothing is learnt from 0.</param>
    public void Add(int rows, TimeSpan elapsed)
    {
        double seconds = elapsed.TotalSeconds;
        if (rows > maxRows || seconds <= 0)
        {
            return;
        }

        ref double believed = ref _seconds[rows];
        double change = seconds - believed;
        believed = believed == 0 ? seconds : believed + (change < 0 ? GainDown * change : GainUp * Math.Min(change, Surprise * believed));
        for (int i = 1; i < _doubt.Length; i++)
        {
            _doubt[i] += (1 - _doubt[i]) * Forgetting;
        }

        _doubt[rows] = 0;
    }

    /// <summary>What the step is believed to take: seconds, or any unit if nothing is known. Always positive.</summary>
    public double Of(int rows)
    {
        Debug.Assert(rows >= 1 && rows <= maxRows);
        int below = rows;
        while (below > 0 && _seconds[below] == 0)
        {
            below--;
        }

        int above = rows;
        while (above <= maxRows && _seconds[above] == 0)
        {
            above++;
        }

        if (below == 0)
        {
            return above > maxRows ? 1 + (RowShare * rows) : _seconds[above];
        }

        double hoped = _seconds[below] * (1 + (RowShare * (rows - below)));
        if (below == rows)
        {
            return _doubt[rows] > 0 ? Doubted(rows) : _seconds[rows];
        }

        return above > maxRows ? hoped : _seconds[below] + ((_seconds[above] - _seconds[below]) * (rows - below) / (above - below));
    }

    /// <summary>Between what was measured long ago and what one would hope for.</summary>
    private double Doubted(int rows)
    {
        int below = rows - 1;
        while (below > 0 && _seconds[below] == 0)
        {
            below--;
        }

        double measured = _seconds[rows];
        double hoped = below == 0 ? measured : Math.Min(measured, _seconds[below] * (1 + (RowShare * (rows - below))));
        return measured + ((hoped - measured) * _doubt[rows]);
    }
}
