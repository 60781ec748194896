using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Execution;
using HelixFlow.TestKit.Execution;

namespace HelixFlow.Engine.Tests.Execution;

/// <summary>An engine over a fake device.</summary>
internal sealed class EngineUnderTest(FakeModelRunner runner, EngineOptions options, FakeModelRunner? draft = null) : IAsyncDisposable
{
    public InferenceEngine Engine { get; } = new(runner, options, draft);

    public SequenceStream Submit(SequenceRequest request)
    {
        Assert.Equal(SubmitOutcome.Accepted, Engine.Submit(request, out SequenceStream? stream));
        return stream!;
    }

    /// <summary>The snapshot when nothing runs or waits: what a stream's last event has told, the snapshot tells a moment later.</summary>
    public async Task<EngineSnapshot> IdleAsync()
    {
        while (Engine.Snapshot().Busy)
        {
            await Task.Delay(1);
        }

        return Engine.Snapshot();
    }

    /// <summary>Works everything off, then looks at the blocks.</summary>
    public async Task AssertNothingHeldAsync()
    {
        await Engine.DrainAsync(CancellationToken.None);
        EngineSnapshot snapshot = Engine.Snapshot();
        Assert.Equal((0, 0, 0), (snapshot.BlocksHeld, snapshot.Running, snapshot.Waiting));
        Assert.Equal(snapshot.BlocksTotal, snapshot.BlocksCached + snapshot.BlocksFree);
    }

    public ValueTask DisposeAsync() => Engine.DisposeAsync();
}

/// <summary>Holds a fake device at the start of its steps, so that a test knows what the engine thread is doing.</summary>
internal sealed class StepGate : IDisposable
{
    private readonly SemaphoreSlim _arrived = new(0);
    private readonly SemaphoreSlim _allowed = new(0);
    private volatile bool _open;

    public FakeModelRunner Runner(int blocks) => new(blocks) { OnStep = Hold };

    /// <summary>Waits until the device is held at the start of a step.</summary>
    public void WaitUntilInStep() => _arrived.Wait();

    /// <summary>Lets so many steps run and waits until the device is held at the start of the one after.</summary>
    public void Step(int count)
    {
        for (int i = 0; i < count; i++)
        {
            _allowed.Release();
            _arrived.Wait();
        }
    }

    /// <summary>Holds nothing any more.</summary>
    public void Open()
    {
        _open = true;
        _allowed.Release();
    }

    public void Dispose()
    {
        _arrived.Dispose();
        _allowed.Dispose();
    }

    private void Hold(Batch batch)
    {
        if (!_open)
        {
            _arrived.Release();
            _allowed.Wait();
        }
    }
}
