namespace HelixFlow.Engine.Execution;

/// <summary>A request that an <see cref="EncoderEngine"/> has taken. Guarded by the engine's lock, but for its completion.</summary>
internal sealed class EncoderJob(EncoderRequest request, double weight, TimeSpan arrived, long number)
{
    private readonly TaskCompletionSource<EmbeddingResult> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public EncoderRequest Request => request;

    public ReadOnlyMemory<int> Tokens => request.Tokens;

    /// <summary>Its project's weight.</summary>
    public double Weight => weight;

    public TimeSpan Arrived => arrived;

    /// <summary>Jobs are numbered in the order in which they came.</summary>
    public long Number => number;

    /// <summary>Its place among its class: see <see cref="EncoderQueue"/>.</summary>
    public double StartTag { get; set; }

    /// <summary>Gathers the states of a text to its vector; null for scores.</summary>
    public StatePool? Pool { get; set; }

    /// <summary>Results that it has in the batch that runs.</summary>
    public int Results { get; set; }

    public Task<EmbeddingResult> Result => _result.Task;

    public void Complete(float[] vector) => _result.TrySetResult(new EmbeddingResult { Outcome = SubmitOutcome.Accepted, Vector = vector });

    public void Fail(string error) => _result.TrySetResult(new EmbeddingResult { Outcome = SubmitOutcome.Accepted, Error = error });

    public void Cancel(CancellationToken cancellationToken) => _result.TrySetCanceled(cancellationToken);
}
