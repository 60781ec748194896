using System.Globalization;
using System.Text;

namespace HelixFlow.Observability;

/// <summary>Writes metrics in Prometheus' text exposition format, version 0.0.4. Used by one thread.</summary>
public sealed class PrometheusText
{
    /// <summary>The format's media type.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly StringBuilder _text = new();

    /// <summary>Begins a family of samples.</summary>
    /// <param name="name">Its name, with the unit and, for counters, "_total".</param>
    /// <param name="type">counter, gauge or histogram.</param>
    /// <param name="help">One sentence.</param>
    public void Family(string name, string type, string help) =>
        _text.Append("# HELP ").Append(name).Append(' ').Append(help).Append("\n# TYPE ").Append(name).Append(' ').Append(type).Append('\n');

    /// <summary>One sample of the family.</summary>
    public void Sample(string name, double value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        _text.Append(name);
        char before = '{';
        foreach ((string label, string text) in labels)
        {
            _text.Append(before).Append(label).Append("=\"");
            Escape(text);
            _text.Append('"');
            before = ',';
        }

        if (labels.Length > 0)
        {
            _text.Append('}');
        }

        _text.Append(' ').Append(value.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }

    /// <summary>All samples of a histogram with one label.</summary>
    public void Histogram(string name, Histogram histogram, string label, string labelValue)
    {
        long total = 0;
        foreach ((double bound, long count) in histogram.Buckets)
        {
            total += count;
            Sample(name + "_bucket", total, (label, labelValue), ("le", double.IsPositiveInfinity(bound) ? "+Inf" : bound.ToString(CultureInfo.InvariantCulture)));
        }

        Sample(name + "_sum", histogram.Sum, (label, labelValue));
        Sample(name + "_count", total, (label, labelValue));
    }

    public override string ToString() => _text.ToString();

    private void Escape(string text)
    {
        foreach (char c in text)
        {
            _ = c switch
            {
                '\\' => _text.Append(@"\\"),
                '"' => _text.Append("\\\""),
                '\n' => _text.Append("\\n"),
                _ => _text.Append(c),
            };
        }
    }
}
