namespace HelixFlow.Simulation.Traces;

/// <summary>The shapes of generated traces.</summary>
public enum TraceKind
{
    /// <summary>An even rate; popularity by Zipf's law, the same throughout.</summary>
    Zipf,

    /// <summary>The rate and each model's popularity go up and down with a period, each model at its own phase.</summary>
    Diurnal,

    /// <summary>Zipf, with crowds that all want one model that hardly anybody wanted before.</summary>
    Bursts,
}

/// <summary>What a generated trace is like.</summary>
public sealed record TraceOptions
{
    public TraceKind Kind { get; init; } = TraceKind.Zipf;

    /// <summary>Models that may be asked for; at least 1.</summary>
    public int Models { get; init; } = 3000;

    /// <summary>Requests; at least 1.</summary>
    public int Requests { get; init; } = 200_000;

    /// <summary>Requests per second on average; above 0.</summary>
    public double Rate { get; init; } = 100;

    /// <summary>The popularity of the model at rank r is proportional to 1 / r^this; at least 0. Default 0.9.</summary>
    public double Exponent { get; init; } = 0.9;

    /// <summary>The length of a day in <see cref="TraceKind.Diurnal"/>; above zero. Default 20 minutes.</summary>
    public TimeSpan Period { get; init; } = TimeSpan.FromMinutes(20);

    /// <summary>In <see cref="TraceKind.Bursts"/>: the share of all requests that come in crowds, [0, 1). Default 0.2.</summary>
    public double CrowdShare { get; init; } = 0.2;

    /// <summary>In <see cref="TraceKind.Bursts"/>: requests in each crowd; at least 1. Default 400.</summary>
    public int CrowdSize { get; init; } = 400;

    /// <summary>In <see cref="TraceKind.Bursts"/>: the mean time between a crowd's beginning and one of its requests. Default 20 s.</summary>
    public TimeSpan CrowdDecay { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Projects that the requests are spread over, by Zipf's law with exponent 1; at least 1.</summary>
    public int Projects { get; init; } = 20;

    /// <summary>The same options with the same seed are the same trace.</summary>
    public int Seed { get; init; } = 1;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Models, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Requests, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Projects, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(CrowdSize, 1);
        if (!(Rate > 0 && double.IsFinite(Rate)))
        {
            throw new ArgumentOutOfRangeException(nameof(Rate), Rate, "A rate is a finite number above 0.");
        }

        if (!(Exponent >= 0 && Exponent < 100))
        {
            throw new ArgumentOutOfRangeException(nameof(Exponent), Exponent, "The exponent is at least 0 and below 100.");
        }

        if (!(CrowdShare is >= 0 and < 1))
        {
            throw new ArgumentOutOfRangeException(nameof(CrowdShare), CrowdShare, "A share is at least 0 and below 1.");
        }

        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(Period, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(CrowdDecay, TimeSpan.Zero);
    }
}
