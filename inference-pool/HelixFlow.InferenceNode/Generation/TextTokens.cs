using HelixFlow.InferenceNode.Serving;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Generation;

/// <summary>Text and conversations to token ids and back, as a model's generations would see them.</summary>
internal static class TextTokens
{
    /// <exception cref="InferenceException">The prompt is malformed, or refused by the model's template.</exception>
    public static TokenizeResponse Tokenize(TokenizeRequest request, ServedModel model, TimeProvider time)
    {
        int[] tokens = request.PromptCase == TokenizeRequest.PromptOneofCase.Chat
            ? PromptTokens.OfChat(request.Chat, model, time, request.WithSpecial, !request.WithoutGenerationPrompt)
            : model.Tokenizer.Encode(request.Text, addSpecial: !request.WithoutSpecial, parseSpecial: true);
        var response = new TokenizeResponse { TokenIds = { tokens }, ContextLength = (uint)model.ContextLength };
        if (request.WithTexts)
        {
            response.Texts.AddRange(tokens.Select(model.Tokenizer.TokenText));
        }

        return response;
    }

    /// <exception cref="InferenceException">An id is not in the model's vocabulary.</exception>
    public static DetokenizeResponse Detokenize(DetokenizeRequest request, ServedModel model)
    {
        int[] ids = [.. request.TokenIds];
        int wrong = Array.FindIndex(ids, id => id < 0 || id >= model.VocabularySize);
        return wrong < 0
            ? new DetokenizeResponse { Text = model.Tokenizer.Decode(ids, skipSpecial: false) }
            : throw new InferenceException(
                InferenceError.InvalidArgument, $"Token {ids[wrong]} is not in the model's vocabulary: its ids are 0 to {model.VocabularySize - 1}.", $"token_ids[{wrong}]");
    }
}
