using System.Diagnostics.Metrics;
using HelixFlow.Agents.Dispatch;

namespace HelixFlow.Agents.Hints;

/// <summary>What this process and others tell each other, in numbers. May be used by any thread.</summary>
public sealed class HintMetrics
{
    private readonly Counter<long> _sent;
    private readonly Counter<long> _heard;
    private readonly Counter<long> _dropped;
    private readonly Gauge<int> _connected;

    /// <param name="factory">Makes the meter <see cref="WorkerMetrics.MeterName"/>, and disposes it.</param>
    public HintMetrics(IMeterFactory factory)
    {
        Meter meter = factory.Create(WorkerMetrics.MeterName);
        _sent = meter.CreateCounter<long>("helixflow.agents.hints.sent", "{hint}", "Hints for other processes that their carrier has taken over.");
        _heard = meter.CreateCounter<long>("helixflow.agents.hints.heard", "{hint}", "Hints of other processes.");
        _dropped = meter.CreateCounter<long>("helixflow.agents.hints.dropped", "{hint}", "Hints for other processes that were too many or could not be sent.");
        _connected = meter.CreateGauge<int>("helixflow.agents.hints.connected", "{connection}", "1 while hints can be heard.");
    }

    internal void Sent(string carrier, int count) => _sent.Add(count, Tag(carrier));

    internal void Heard(string carrier) => _heard.Add(1, Tag(carrier));

    internal void Dropped(string carrier, int count) => _dropped.Add(count, Tag(carrier));

    internal void Connected(string carrier, bool isConnected) => _connected.Record(isConnected ? 1 : 0, Tag(carrier));

    private static KeyValuePair<string, object?> Tag(string carrier) => new("carrier", carrier);
}
