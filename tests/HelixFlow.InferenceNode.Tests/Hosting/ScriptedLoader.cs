using System.Threading.Channels;
using HelixFlow.InferenceNode.Devices;
using HelixFlow.InferenceNode.Hosting;

namespace HelixFlow.InferenceNode.Tests.Hosting;

/// <summary>A loader whose loads the test ends one by one. It counts the memory that its models take at every moment.</summary>
internal sealed class ScriptedLoader
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly Channel<Load> _loads = Channel.CreateUnbounded<Load>();
    private int _alive;

    /// <summary>Models that are being loaded or are loaded and not yet disposed.</summary>
    public int Alive => Volatile.Read(ref _alive);

    public Task<FakeModel> LoadAsync(string model, Device device, IProgress<LoadProgress> progress, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _alive);
        var load = new Load(this, model, device, progress, cancellationToken);
        Assert.True(_loads.Writer.TryWrite(load));
        return load.Loaded;
    }

    /// <summary>The next load that has begun and was not asked for yet.</summary>
    public async Task<Load> NextAsync() => await _loads.Reader.ReadAsync().AsTask().WaitAsync(Patience);

    public bool HasNext => _loads.Reader.TryPeek(out _);

    private void Freed() => Interlocked.Decrement(ref _alive);

    internal sealed class Load
    {
        private readonly ScriptedLoader _loader;
        private readonly TaskCompletionSource<FakeModel> _loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Load(ScriptedLoader loader, string model, Device device, IProgress<LoadProgress> progress, CancellationToken cancellationToken)
        {
            _loader = loader;
            Model = model;
            Device = device;
            Progress = progress;
            cancellationToken.UnsafeRegister(static (load, token) => ((Load)load!).Stop(token), this);
        }

        public string Model { get; }

        public Device Device { get; }

        public IProgress<LoadProgress> Progress { get; }

        public Task<FakeModel> Loaded => _loaded.Task;

        public FakeModel Finish()
        {
            var model = new FakeModel(Model, _loader.Freed);
            _loaded.SetResult(model);
            return model;
        }

        public void Fail(Exception exception)
        {
            _loader.Freed();
            _loaded.SetException(exception);
        }

        private void Stop(CancellationToken token)
        {
            if (_loaded.TrySetCanceled(token))
            {
                _loader.Freed();
            }
        }
    }
}

/// <summary>A loaded model that does nothing.</summary>
internal sealed class FakeModel(string name, Action freed) : IAsyncDisposable
{
    private int _disposals;

    public string Name => name;

    public bool IsDisposed => Volatile.Read(ref _disposals) > 0;

    /// <summary>Disposing waits for this; completed from the start unless a test sets another.</summary>
    public Task DisposeGate { get; set; } = Task.CompletedTask;

    /// <summary>Disposing fails with this after the memory is free.</summary>
    public Exception? DisposeFailure { get; set; }

    public async ValueTask DisposeAsync()
    {
        await DisposeGate;
        Assert.Equal(1, Interlocked.Increment(ref _disposals));
        freed();
        if (DisposeFailure is not null)
        {
            throw DisposeFailure;
        }
    }
}
