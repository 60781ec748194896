using HelixFlow.Gateway.Embeddings;
using HelixFlow.Gateway.Errors;
using HelixFlow.Observability;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Ranking;

/// <summary>
/// How much the texts of pairs have to do with each other. A model that ranks (a cross-encoder) reads both texts together and says so; of any other,
/// it is the cosine similarity of their vectors, which is what a bi-encoder knows. Thread-safe.
/// </summary>
internal sealed class TextScores(EmbeddingBatches batches, MeasuredPool pool)
{
    /// <summary>Scores each second text against its first one.</summary>
    /// <param name="context">The client's request: its end ends the work.</param>
    /// <param name="template">Everything but the inputs.</param>
    /// <param name="first">As many as there are second texts, or one for all of them.</param>
    /// <param name="second">At least one.</param>
    /// <param name="nameOfFirst">How errors name a first text.</param>
    /// <param name="nameOfSecond">How errors name a second text.</param>
    /// <exception cref="OpenAiException">The pool refused or failed a batch.</exception>
    public async Task<PairScores> RunAsync(
        HttpContext context, EmbedRequest template, IReadOnlyList<EmbedInput> first, IReadOnlyList<EmbedInput> second, Func<int, string> nameOfFirst, Func<int, string> nameOfSecond)
    {
        ListModelsResponse models = await pool.ListModelsAsync(new ListModelsRequest(), context.RequestAborted);
        if (models.Models.FirstOrDefault(model => model.Name == template.Model)?.Kind == ModelKind.Rank)
        {
            List<EmbedInput> pairs = [.. second.Select((text, index) => new EmbedInput { Pair = new TextPair { First = first[first.Count == 1 ? 0 : index].Text, Second = text.Text } })];
            EmbeddedInputs scored = await batches.RunAsync(context, template, pairs, nameOfSecond);
            return new PairScores([.. scored.Vectors.Select(static vector => (double)vector.Values[0])], scored.Tokens);
        }

        EmbeddedInputs embedded = await batches.RunAsync(
            context, template, [.. first, .. second], index => index < first.Count ? nameOfFirst(index) : nameOfSecond(index - first.Count));
        return new PairScores(
            [.. Enumerable.Range(0, second.Count).Select(index => embedded.Similarity(first.Count == 1 ? 0 : index, first.Count + index))], embedded.Tokens);
    }
}

/// <summary>What became of pairs of texts.</summary>
/// <param name="Scores">In the order of the pairs.</param>
/// <param name="Tokens">Of all that was run.</param>
internal sealed record PairScores(IReadOnlyList<double> Scores, long Tokens);
