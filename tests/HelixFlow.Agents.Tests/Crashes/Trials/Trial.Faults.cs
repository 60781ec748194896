using HelixFlow.Agents.CrashHost;
using HelixFlow.TestServers;

namespace HelixFlow.Agents.Tests.Crashes.Trials;

/// <content>What happens to the processes and servers of a trial.</content>
internal sealed partial class Trial
{
    private async Task HappenAsync()
    {
        foreach (Fault fault in _schedule.Faults)
        {
            await Task.Delay(fault.AfterMs, Token);
            await HappenAsync(fault);
            _tally.Add(Skipped(fault) ? "faults without their server" : fault.Kind.ToString());
        }
    }

    private bool Skipped(Fault fault) => fault.Kind is FaultKind.BrokerCrash or FaultKind.BrokerPause && _broker is null;

    private async Task HappenAsync(Fault fault)
    {
        TrialProcess? host = _hosts[fault.Target % _hosts.Length];
        switch (fault.Kind)
        {
            case FaultKind.Kill:
                host?.Kill();
                break;
            case FaultKind.KillAtWrite:
                await TellAsync(host, new TrialOrder(0) { DieAt = (int)fault.Amount });
                break;
            case FaultKind.Stop when host is not null:
                host.Stop();
                await host.Ended.WaitAsync(Token);
                break;
            case FaultKind.Pause when host is not null:
                await host.SignalAsync("-STOP");
                await Task.Delay(TimeSpan.FromMilliseconds(fault.Amount), CancellationToken.None);
                await host.SignalAsync("-CONT");
                break;
            case FaultKind.Clock:
                await SetClockAsync(fault.Amount);
                break;
            case FaultKind.OwnClock:
                await TellAsync(host, new TrialOrder(0) { OffsetMs = fault.Amount, IsOwnClock = true });
                break;
            case FaultKind.ServerCrash or FaultKind.ServerRestart when _source.Server is { } server:
                await (fault.Kind == FaultKind.ServerCrash ? server.KillAsync() : server.StopAsync());
                await Task.Delay(TimeSpan.FromMilliseconds(fault.Amount), CancellationToken.None);
                await server.StartAgainAsync();
                break;
            case FaultKind.BrokerCrash when _broker is not null:
                await _brokerStarts;
                await _broker.KillAsync();
                _brokerStarts = StartBrokerAsync(_broker, fault.Amount); // jobs are done meanwhile
                break;
            case FaultKind.BrokerPause when _broker is not null:
                await _brokerStarts;
                await _broker.PauseAsync();
                await Task.Delay(TimeSpan.FromMilliseconds(fault.Amount), CancellationToken.None);
                await _broker.ResumeAsync();
                break;
            case FaultKind.Hints:
                var hints = new TrialOrder(0) { Hints = (int)fault.Amount, HintedRun = AnyAcknowledged(fault.Target)?.Run ?? "none" };
                await TellAsync(_schedule.Kind == TrialKind.Protocol ? _hosts[0] : host, hints);
                break;
            case FaultKind.SubmitAgain when AnyAcknowledged(fault.Target) is { } known:
                await Task.WhenAll(SubmitAsync(known.Request, 0), SubmitAsync(known.Request, 1));
                break;
            case FaultKind.Cancel when AnyAcknowledged(fault.Target) is { } unwanted:
                lock (_cancelled)
                {
                    _cancelled.Add(unwanted.Run);
                }

                await AskAsync(fault.Target, new TrialOrder(0) { Cancel = unwanted.Run, Project = unwanted.Request.Project });
                break;
        }
    }

    private static async Task StartBrokerAsync(RabbitServer broker, long afterMs)
    {
        await Task.Delay(TimeSpan.FromMilliseconds(afterMs), CancellationToken.None);
        await broker.StartAgainAsync();
    }

    private Acknowledgement? AnyAcknowledged(int number)
    {
        lock (_acknowledged)
        {
            return _acknowledged.Count == 0 ? null : _acknowledged[number % _acknowledged.Count];
        }
    }

    /// <summary>Tells one host something; when it is gone, nobody.</summary>
    private async Task TellAsync(TrialProcess? host, TrialOrder order)
    {
        try
        {
            await (host?.AskAsync(order, Token) ?? Task.CompletedTask);
        }
        catch (HostGoneException)
        {
        }
    }

    private async Task SetClockAsync(long offset)
    {
        _offsetMs = offset; // for those that start from now on
        _highestOffsetMs = Math.Max(_highestOffsetMs, offset);
        await Task.WhenAll(_hosts.Select(host => TellAsync(host, new TrialOrder(0) { OffsetMs = offset })));
    }
}
