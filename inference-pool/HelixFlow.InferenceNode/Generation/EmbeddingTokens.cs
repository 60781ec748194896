using HelixFlow.InferenceNode.Serving;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Generation;

/// <summary>An input of an embedding request as token ids.</summary>
/// <param name="Ids">What the engine runs.</param>
/// <param name="SecondText">Where the second text of a pair begins; null for a single text.</param>
internal readonly record struct EmbeddingTokens(int[] Ids, int? SecondText)
{
    /// <exception cref="InferenceException">The input is empty, too long, or of a kind that the model does not take.</exception>
    public static EmbeddingTokens Of(EmbedInput input, int index, EmbedRequest request, ServedModel model)
    {
        bool isPair = input.InputCase == EmbedInput.InputOneofCase.Pair;
        if (isPair != (model.Description.Kind == ModelKind.Rank))
        {
            string reason = isPair ? "does not score pairs of texts" : "scores pairs of texts and makes no vectors. Use it with /v1/rerank or /v1/score";
            throw new InferenceException(InferenceError.InvalidArgument, $"The model '{model.Description.Name}' {reason}.", "model");
        }

        int? most = Limit(request, model);
        EmbeddingTokens tokens = Encode(input, most, model);
        if (tokens.Ids.Length == 0)
        {
            throw new InferenceException(InferenceError.InvalidArgument, $"inputs[{index}] is empty.", $"inputs[{index}]");
        }

        int longest = most ?? model.ContextLength;
        return tokens.Ids.Length <= longest
            ? tokens
            : throw new InferenceException(
                InferenceError.ContextLengthExceeded, $"inputs[{index}] has {tokens.Ids.Length} tokens; the model takes at most {longest}.", $"inputs[{index}]");
    }

    /// <summary>What inputs are to be cut to; null when they are not.</summary>
    private static int? Limit(EmbedRequest request, ServedModel model)
    {
        if (!request.HasTruncateTokens)
        {
            return null;
        }

        return request.TruncateTokens == -1 ? model.ContextLength
            : request.TruncateTokens >= 1 && request.TruncateTokens <= model.ContextLength ? request.TruncateTokens
            : throw new InferenceException(
                InferenceError.InvalidArgument,
                $"Invalid value for 'truncate_prompt_tokens' = {request.TruncateTokens}. Must be -1 or between 1 and {model.ContextLength}.", "truncate_prompt_tokens");
    }

    private static EmbeddingTokens Encode(EmbedInput input, int? most, ServedModel model)
    {
        switch (input.InputCase)
        {
            case EmbedInput.InputOneofCase.Pair:
                int[] pair = model.Tokenizer.EncodePair(input.Pair.First, input.Pair.Second, most, out int secondText);
                return new EmbeddingTokens(pair, secondText);
            case EmbedInput.InputOneofCase.Text:
                int[] text = most is { } limit
                    ? model.Tokenizer.EncodeCut(input.Text, limit)
                    : model.Tokenizer.Encode(input.Text, addSpecial: true, parseSpecial: false);
                return new EmbeddingTokens(text, null);
            case EmbedInput.InputOneofCase.Tokens:
                return new EmbeddingTokens([.. input.Tokens.Ids.Take(most ?? int.MaxValue)], null);
            default:
                return new EmbeddingTokens([], null);
        }
    }
}
