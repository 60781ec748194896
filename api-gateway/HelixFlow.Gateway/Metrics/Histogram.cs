using System.Globalization;
using System.Text;

namespace HelixFlow.Gateway.Metrics;

/// <summary>A Prometheus histogram with fixed upper bounds. Thread-safe and lock-free.</summary>
internal sealed class Histogram(params double[] bounds)
{
    private readonly long[] _counts = new long[bounds.Length + 1];
    private long _sumNanoseconds;

    public void Record(double seconds)
    {
        int bucket = 0;
        while (bucket < bounds.Length && seconds > bounds[bucket])
        {
            bucket++;
        }

        Interlocked.Increment(ref _counts[bucket]);
        Interlocked.Add(ref _sumNanoseconds, (long)(seconds * 1e9));
    }

    public static void WriteFamily(
        StringBuilder text, string name, string help, IEnumerable<KeyValuePair<string, ModelTimes>> models, Func<ModelTimes, Histogram> pick)
    {
        text.Append("# HELP ").Append(name).Append(' ').Append(help).Append("\n# TYPE ").Append(name).Append(" histogram\n");
        foreach ((string model, ModelTimes times) in models)
        {
            pick(times).Write(text, name, $"model=\"{model.Replace("\\", "\\\\").Replace("\"", "\\\"").Replace("\n", "\\n")}\"");
        }
    }

    private void Write(StringBuilder text, string name, string label)
    {
        long total = 0;
        for (int i = 0; i <= bounds.Length; i++)
        {
            total += Interlocked.Read(ref _counts[i]);
            string bound = i < bounds.Length ? bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
            text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{{label},le=\"{bound}\"}} {total}\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"{name}_sum{{{label}}} {Interlocked.Read(ref _sumNanoseconds) / 1e9}\n");
        text.Append(CultureInfo.InvariantCulture, $"{name}_count{{{label}}} {total}\n");
    }
}
