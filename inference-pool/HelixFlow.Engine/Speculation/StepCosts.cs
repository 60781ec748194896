using System.Diagnostics;

namespace HelixFlow.Engine.Speculation;

/// <summary>What a step of so many decode rows takes, learnt from the steps that ran.</summary>
/// <remarks>
/// <para>A step that is limited by reading the weights costs hardly more with further rows, one that is limited by arithmetic costs as much for
/// each; where a machine, a model and a kernel change from one to the other is measured rather than assumed: a line from knot to knot, since a
/// straight one would hide that the second row often costs more than the third. A knot that has seen few steps is believed to lie partly where
/// one would hope, a little above the one before it: so more rows are tried. What was not measured for long is doubted again by and by, so that
/// one bad moment does not end the trials for ever.</para>
/// <para>Shorter times than believed are learnt fast and longer ones slowly, since a busy machine delays some steps and hurries none. Owned by the
/// engine thread; does not allocate.</para>
/// </remarks>
internal sealed class StepCosts
{
    private const double HopedShare = 0.02; // of a step's time, for each further row
    private const double GainDown = 0.3; // weight of a shorter time
    private const double GainUp = 0.05; // weight of a longer one
    private const double Surprise = 1; // by which a longer time counts as longer at most, relative to what was believed
    private const double Doubt = 2; // steps that the hope counts as
    private const double MostTrust = 20; // steps
    private const double Forgetting = 1.0 / 1000; // of the trust, per step

    private static readonly int[] Rows = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];

    private readonly double[] _seconds = new double[Rows.Length]; // [knot]
    private readonly double[] _steps = new double[Rows.Length]; // [knot]: that the time rests on

    /// <summary>The most rows that it knows of.</summary>
    public static int MaxRows => Rows[^1];

    /// <summary>Notes a step.</summary>
    /// <param name="rows">Its rows, 1 to <see cref="MaxRows"/>.</param>
    /// <param name="elapsed">How long it took; nothing is learnt from 0.</param>
    public void Add(int rows, TimeSpan elapsed)
    {
        double seconds = elapsed.TotalSeconds;
        if (seconds <= 0)
        {
            return;
        }

        for (int knot = 0; knot < Rows.Length; knot++)
        {
            _steps[knot] -= _steps[knot] * Forgetting;
        }

        int above = KnotAt(rows);
        double share = ShareAbove(rows, above);
        double scale = seconds / Of(rows);
        double aboveSeconds = Of(Rows[above]) * scale;
        if (above > 0 && share < 1)
        {
            Learn(above - 1, 1 - share, Of(Rows[above - 1]) * scale);
        }

        Learn(above, share, aboveSeconds);
    }

    /// <summary>What the step is believed to take: seconds, or any unit if nothing is known. Always positive.</summary>
    public double Of(int rows)
    {
        int first = Array.FindIndex(_steps, static steps => steps > 0);
        if (first < 0)
        {
            return 1 + (HopedShare * (rows - 1));
        }

        int above = KnotAt(rows);
        double below = _seconds[first];
        double seconds = below;
        for (int knot = first + 1; knot <= above; knot++)
        {
            below = seconds;
            double hoped = below * (1 + (HopedShare * (Rows[knot] - Rows[knot - 1])));
            seconds = ((_seconds[knot] * _steps[knot]) + (hoped * Doubt)) / (_steps[knot] + Doubt);
        }

        return below + ((seconds - below) * ShareAbove(rows, above));
    }

    private static int KnotAt(int rows)
    {
        Debug.Assert(rows >= 1 && rows <= MaxRows);
        int knot = 0;
        while (Rows[knot] < rows)
        {
            knot++;
        }

        return knot;
    }

    private static double ShareAbove(int rows, int above) => above == 0 ? 1 : (double)(rows - Rows[above - 1]) / (Rows[above] - Rows[above - 1]);

    /// <summary>Moves a knot towards a time, in proportion to how near it the step's rows were.</summary>
    private void Learn(int knot, double share, double seconds)
    {
        ref double believed = ref _seconds[knot];
        if (_steps[knot] == 0)
        {
            believed = seconds;
        }

        double change = seconds - believed;
        double gain = share * Math.Max(change < 0 ? GainDown : GainUp, 1 / (_steps[knot] + 1));
        believed += gain * Math.Min(change, Surprise * believed);
        _steps[knot] = Math.Min(_steps[knot] + share, MostTrust);
    }
}
