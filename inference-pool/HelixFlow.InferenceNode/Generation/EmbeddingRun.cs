using HelixFlow.Engine.Execution;
using HelixFlow.InferenceNode.Serving;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Generation;

/// <summary>Turns the inputs of one request into vectors; they run together with everything else in the engine's batches.</summary>
internal static class EmbeddingRun
{
    private const int MostInputs = 2048;

    /// <exception cref="InferenceException">An input is missing, empty or too long, or there are too many.</exception>
    public static async Task<EmbedResponse> RunAsync(EmbedRequest request, ServedModel model, CancellationToken cancellationToken)
    {
        if (request.Inputs.Count is 0 or > MostInputs)
        {
            throw new InferenceException(InferenceError.InvalidArgument, $"inputs has {request.Inputs.Count} entries; 1 to {MostInputs} are possible.", "inputs");
        }

        int[][] inputs = [.. request.Inputs.Select((input, index) => Tokens(input, index, model))];
        Engine.Execution.Pooling pooling = request.Pooling == Schemas.Inference.V1.Pooling.Mean ? Engine.Execution.Pooling.Mean : Engine.Execution.Pooling.Last;
        EmbeddingResult[] results = await Task.WhenAll(inputs.Select(tokens => model.Engine.EmbedAsync(
            new EmbeddingRequest
            {
                RequestId = request.RequestId,
                Tokens = tokens,
                Pooling = pooling,
                Priority = request.Priority,
                Project = request.Project,
                CacheSalt = request.Project,
            },
            cancellationToken))).ConfigureAwait(false);
        var response = new EmbedResponse { PromptTokens = (uint)inputs.Sum(static tokens => tokens.Length) };
        foreach (EmbeddingResult result in results)
        {
            response.Embeddings.Add(new Embedding { Values = { (Failure(result) is { } failure ? throw failure : result.Vector).ToArray() } });
        }

        return response;
    }

    private static InferenceException? Failure(EmbeddingResult result) => result switch
    {
        { Outcome: SubmitOutcome.Overloaded } => new InferenceException(InferenceError.Overloaded, "Too many requests are waiting for this model. Please try again later.") { RetryAfter = TimeSpan.FromSeconds(1) },
        { Outcome: SubmitOutcome.Draining } => new InferenceException(InferenceError.Unavailable, "The model is being unloaded.") { RetryAfter = TimeSpan.FromSeconds(1) },
        { Outcome: SubmitOutcome.InvalidRequest } => new InferenceException(InferenceError.InvalidArgument, result.Error ?? "The engine refuses the request.", "inputs"),
        { Outcome: not SubmitOutcome.Accepted } or { Error: not null } => new InferenceException(InferenceError.Internal, result.Error ?? "The model has failed and takes no more requests."),
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
