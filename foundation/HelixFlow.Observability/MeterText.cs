using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;

namespace HelixFlow.Observability;

/// <summary>Adds up what a meter of this process measures, and writes it as Prometheus has it. Thread-safe.</summary>
/// <remarks>
/// Names follow OpenTelemetry's rules for Prometheus: dots become underscores, seconds and totals are named. Instruments that are observed only when somebody asks
/// are left out. What was measured before it was made is not known to it.
/// </remarks>
public sealed class MeterText : IMetricsSource, IDisposable
{
    // Tags come from names that operators and clients give: a mistake must not fill the memory.
    private const int MostSeries = 2000;

    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, Family> _families = new(StringComparer.Ordinal);

    /// <param name="meter">The meter's name.</param>
    public MeterText(string meter)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == meter && !instrument.IsObservable)
            {
                listener.EnableMeasurementEvents(instrument, _families.GetOrAdd(instrument.Name, _ => new Family(instrument)));
            }
        };
        _listener.SetMeasurementEventCallback<int>(static (_, value, tags, family) => ((Family)family!).Add(value, tags));
        _listener.SetMeasurementEventCallback<long>(static (_, value, tags, family) => ((Family)family!).Add(value, tags));
        _listener.SetMeasurementEventCallback<double>(static (_, value, tags, family) => ((Family)family!).Add(value, tags));
        _listener.Start();
    }

    /// <inheritdoc />
    public Task WriteAsync(PrometheusText text, CancellationToken cancellationToken)
    {
        foreach (Family family in _families.Values.OrderBy(static family => family.Name, StringComparer.Ordinal))
        {
            family.Write(text);
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc />
    public void Dispose() => _listener.Dispose();

    /// <summary>An instrument, and what it has measured.</summary>
    private sealed class Family
    {
        private readonly string _kind;
        private readonly string _help;
        private readonly double[] _bounds;
        private readonly ConcurrentDictionary<string, Series> _series = new(StringComparer.Ordinal);

        public Family(Instrument instrument)
        {
            string kind = instrument.GetType().Name;
            _kind = kind.StartsWith("Counter", StringComparison.Ordinal) ? "counter" : kind.StartsWith("Histogram", StringComparison.Ordinal) ? "histogram" : "gauge";
            IsSet = kind.StartsWith("Gauge", StringComparison.Ordinal);
            _help = instrument.Description ?? "";
            _bounds = [.. (instrument as Histogram<double>)?.Advice?.HistogramBucketBoundaries ?? []];
            Name = instrument.Name.Replace('.', '_') + (instrument.Unit == "s" ? "_seconds" : "") + (_kind == "counter" ? "_total" : "");
        }

        public string Name { get; }

        /// <summary>Whether a value takes the place of the one before.</summary>
        private bool IsSet { get; }

        public void Add(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            (string Name, string Value)[] labels = new (string, string)[tags.Length];
            for (int i = 0; i < tags.Length; i++)
            {
                labels[i] = (tags[i].Key.Replace('.', '_'), Convert.ToString(tags[i].Value, CultureInfo.InvariantCulture) ?? "");
            }

            Array.Sort(labels, static (a, b) => string.CompareOrdinal(a.Name, b.Name));
            string key = string.Join('\u0001', labels.Select(static label => $"{label.Name}\u0002{label.Value}"));
            if (!_series.TryGetValue(key, out Series? series))
            {
                if (_series.Count >= MostSeries)
                {
                    return;
                }

                series = _series.GetOrAdd(key, _ => new Series(labels, _bounds));
            }

            series.Add(value, IsSet);
        }

        public void Write(PrometheusText text)
        {
            text.Family(Name, _kind, _help);
            foreach (Series series in _series.OrderBy(static pair => pair.Key, StringComparer.Ordinal).Select(static pair => pair.Value))
            {
                if (_kind != "histogram")
                {
                    text.Sample(Name, series.Sum, series.Labels);
                    continue;
                }

                long total = 0;
                foreach ((double bound, long count) in series.Values.Buckets)
                {
                    total += count;
                    text.Sample(Name + "_bucket", total, [.. series.Labels, ("le", double.IsPositiveInfinity(bound) ? "+Inf" : bound.ToString(CultureInfo.InvariantCulture))]);
                }

                text.Sample(Name + "_sum", series.Values.Sum, series.Labels);
                text.Sample(Name + "_count", total, series.Labels);
            }
        }
    }

    /// <summary>What was measured with the same tags.</summary>
    private sealed class Series((string Name, string Value)[] labels, double[] bounds)
    {
        private readonly Lock _lock = new();
        private double _sum;

        public (string Name, string Value)[] Labels => labels;

        public Histogram Values { get; } = new(bounds);

        public double Sum
        {
            get
            {
                lock (_lock)
                {
                    return _sum;
                }
            }
        }

        public void Add(double value, bool isSet)
        {
            lock (_lock)
            {
                _sum = isSet ? value : _sum + value;
            }

            Values.Record(value);
        }
    }
}
