using HelixFlow.Engine.Execution;
using HelixFlow.InferenceNode.Serving;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Generation;

/// <summary>Turns the inputs of one request into vectors; they run together with everything else in the engine's batches.</summary>
internal static class EmbeddingRun
{
    private const int MostInputs = 2048;

    // Of one request: enough to fill the engine's batches, few enough that a long list leaves places to others.
    private const int MostAtOnce = 8;

    /// <exception cref="InferenceException">
    /// An input is missing, empty or too long, there are too many, or more dimensions are asked for than the model has.
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

        int[][] inputs = [.. request.Inputs.Select((input, index) => Tokens(input, index, model))];
        var vectors = new Embedding[inputs.Length];
        var limits = new ParallelOptions { MaxDegreeOfParallelism = MostAtOnce, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, inputs.Length, limits, async (index, token) =>
        {
            await model.EmbeddingPlaces.WaitAsync(token).ConfigureAwait(false);
            try
            {
                EmbeddingResult result = await model.Engine.EmbedAsync(ForEngine(request, inputs[index]), token).ConfigureAwait(false);
                vectors[index] = Failure(result, index) is { } failure ? throw failure : Cut(result.Vector.Span, (int)request.Dimensions);
            }
            finally
            {
                model.EmbeddingPlaces.Release();
            }
        }).ConfigureAwait(false);
        return new EmbedResponse { Embeddings = { vectors }, PromptTokens = (uint)inputs.Sum(static tokens => tokens.Length) };
    }

    private static EmbeddingRequest ForEngine(EmbedRequest request, int[] tokens) => new()
    {
        RequestId = request.RequestId,
        Tokens = tokens,
        Pooling = request.Pooling == Schemas.Inference.V1.Pooling.Mean ? Engine.Execution.Pooling.Mean : Engine.Execution.Pooling.Last,
        Priority = request.Priority,
        Project = request.Project,
        CacheSalt = request.Project,
    };

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

    private static int[] Tokens(EmbedInput input, int index, ServedModel model)
    {
        int[] tokens = input.InputCase switch
        {
            EmbedInput.InputOneofCase.Text => model.Tokenizer.Encode(input.Text, addSpecial: true, parseSpecial: false),
            EmbedInput.InputOneofCase.Tokens => [.. input.Tokens.Ids],
            _ => [],
        };
        if (tokens.Length == 0)
        {
            throw new InferenceException(InferenceError.InvalidArgument, $"inputs[{index}] is empty.", $"inputs[{index}]");
        }

        return tokens.Length <= model.ContextLength
            ? tokens
            : throw new InferenceException(
                InferenceError.ContextLengthExceeded, $"inputs[{index}] has {tokens.Length} tokens; the model takes at most {model.ContextLength}.", $"inputs[{index}]");
    }
}
