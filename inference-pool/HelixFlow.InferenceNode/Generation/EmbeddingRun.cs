using HelixFlow.Engine.Execution;
using HelixFlow.InferenceNode.Serving;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using EnginePooling = HelixFlow.Engine.Models.Pooling;

namespace HelixFlow.InferenceNode.Generation;

/// <summary>Turns the inputs of one request into vectors, or pairs of texts into scores; they run together with everything else in the engine's batches.</summary>
internal static class EmbeddingRun
{
    private const int MostInputs = 2048;

    // Of one request: enough to fill the engine's batches, few enough that a long list leaves places to others.
    private const int MostAtOnce = 8;
    private const int MostAtOnceInEncoder = 64; // its texts are short, and end with the batch

    /// <exception cref="InferenceException">
    /// An input is missing, empty, too long or of a kind that the model does not take, there are too many, or more dimensions are asked for than the
    /// model has.
    /// </exception>
    public static async Task<EmbedResponse> RunAsync(EmbedRequest request, ServedModel model, CancellationToken cancellationToken)
    {
        if (request.Inputs.Count is 0 or > MostInputs)
        {
            throw new InferenceException(InferenceError.InvalidArgument, $"inputs has {request.Inputs.Count} entries; 1 to {MostInputs} are possible.", "inputs");
        }

        if (request.Dimensions > model.HiddenSize)
        {
            throw new InferenceException(
                InferenceError.InvalidArgument, $"Invalid value for 'dimensions' = {request.Dimensions}. Must be less than or equal to {model.HiddenSize}.", "dimensions");
        }

        EnginePooling pooling = PoolingOf(request, model);
        EmbeddingTokens[] inputs = [.. request.Inputs.Select((input, index) => EmbeddingTokens.Of(input, index, request, model))];
        var vectors = new Embedding[inputs.Length];
        int atOnce = model.Encoder is null ? MostAtOnce : MostAtOnceInEncoder;
        var limits = new ParallelOptions { MaxDegreeOfParallelism = atOnce, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, inputs.Length, limits, async (index, token) =>
        {
            await model.EmbeddingPlaces.WaitAsync(token).ConfigureAwait(false);
            try
            {
                EmbeddingResult result = await ComputeAsync(request, model, inputs[index], pooling, token).ConfigureAwait(false);
                vectors[index] = Failure(result, index) is { } failure ? throw failure
                    : model.Description.Kind == ModelKind.Rank ? Relevance(result.Vector.Span[0])
                    : Cut(result.Vector.Span, (int)request.Dimensions);
            }
            finally
            {
                model.EmbeddingPlaces.Release();
            }
        }).ConfigureAwait(false);
        return new EmbedResponse { Embeddings = { vectors }, PromptTokens = (uint)inputs.Sum(static input => input.Ids.Length) };
    }

    private static Task<EmbeddingResult> ComputeAsync(
        EmbedRequest request, ServedModel model, EmbeddingTokens input, EnginePooling pooling, CancellationToken cancellationToken) => model.Encoder is { } encoder
        ? encoder.RunAsync(
            new EncoderRequest
            {
                RequestId = request.RequestId,
                Tokens = input.Ids,
                SecondText = input.SecondText,
                Pooling = pooling,
                Priority = request.Priority,
                Project = request.Project,
            },
            cancellationToken)
        : model.Engine.EmbedAsync(
            new EmbeddingRequest
            {
                RequestId = request.RequestId,
                Tokens = input.Ids,
                Pooling = pooling,
                Priority = request.Priority,
                Project = request.Project,
                CacheSalt = request.Project,
            },
            cancellationToken);

    private static EnginePooling PoolingOf(EmbedRequest request, ServedModel model) => request.Pooling switch
    {
        Pooling.Mean => EnginePooling.Mean,
        Pooling.Last => EnginePooling.Last,
        Pooling.First when model.Encoder is null => throw new InferenceException(
            InferenceError.InvalidArgument, $"The first token of the model '{model.Description.Name}' has seen nothing of the text. Use 'last' or 'mean'.", "pooling"),
        Pooling.First => EnginePooling.First,
        _ => model.Pooling,
    };

    /// <summary>The score as a probability: what rankers are trained for.</summary>
    private static Embedding Relevance(float score) => new() { Values = { (float)(1 / (1 + Math.Exp(-score))) } };

    /// <summary>The vector's first values, of unit length again; a vector whose first values are all 0 stays 0.</summary>
    private static Embedding Cut(ReadOnlySpan<float> vector, int dimensions)
    {
        if (dimensions == 0 || dimensions == vector.Length)
        {
            return new Embedding { Values = { vector.ToArray() } };
        }

        float[] kept = vector[..dimensions].ToArray();
        double length = Math.Sqrt(kept.Sum(static value => (double)value * value));
        return new Embedding { Values = { length > 0 ? kept.Select(value => (float)(value / length)) : kept } };
    }

    private static InferenceException? Failure(EmbeddingResult result, int index) => result switch
    {
        { Outcome: SubmitOutcome.Overloaded } => new InferenceException(InferenceError.Overloaded, "Too many requests are waiting for this model. Please try again later.") { RetryAfter = TimeSpan.FromSeconds(1) },
        { Outcome: SubmitOutcome.Draining } => new InferenceException(InferenceError.Unavailable, "The model is being unloaded.") { RetryAfter = TimeSpan.FromSeconds(1) },
        { Outcome: SubmitOutcome.InvalidRequest } => new InferenceException(InferenceError.InvalidArgument, result.Error ?? "The engine refuses the request.", $"inputs[{index}]"),
        { Outcome: not SubmitOutcome.Accepted } or { Error: not null } => new InferenceException(InferenceError.Internal, result.Error ?? "The model has failed and takes no more requests."),
        _ when result.Vector.Span.ContainsAnyExceptInRange(float.MinValue, float.MaxValue) => new InferenceException(InferenceError.Internal, $"The model's vector for inputs[{index}] has values that are not numbers."),
        _ => null,
    };
}
