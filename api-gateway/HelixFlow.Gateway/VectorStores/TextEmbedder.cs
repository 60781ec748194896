using HelixFlow.Gateway.Embeddings;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>A model that makes vectors.</summary>
/// <param name="Name">Under which it is served.</param>
/// <param name="Pooling">How its states become a vector.</param>
/// <param name="ContextLength">Most tokens of a text; 0 when that is not known.</param>
internal sealed record EmbeddingModel(string Name, Pooling Pooling, int ContextLength);

/// <summary>Makes the vectors of texts with the models that are served. Thread-safe.</summary>
internal sealed class TextEmbedder(MeasuredPool pool, VectorStoreOptions options)
{
    /// <summary>Most texts of one request to the pool.</summary>
    public const int MostTexts = EmbeddingBatches.MostInputs;

    /// <summary>The name of the model for new stores; null when none is served that could be.</summary>
    public async ValueTask<string?> DefaultAsync(CancellationToken cancellationToken)
    {
        if (options.EmbeddingModel is { } configured)
        {
            return configured;
        }

        ListModelsResponse served = await pool.ListModelsAsync(new ListModelsRequest(), cancellationToken);
        List<ModelDescription> embedding = [.. served.Models.Where(static model => model.Kind == ModelKind.Embed)];
        return embedding.Count == 1 ? embedding[0].Name
            : embedding.Count > 1 ? null
            : served.Models.FirstOrDefault(static model => model.Kind is ModelKind.Generate or ModelKind.Unspecified)?.Name;
    }

    /// <summary>The model for new stores.</summary>
    /// <exception cref="OpenAiException">None is served that could be, or several.</exception>
    public async ValueTask<string> RequireDefaultAsync(CancellationToken cancellationToken) => await DefaultAsync(cancellationToken) ?? throw RequestFields.Invalid(
        "file_ids",
        "This server cannot tell which model makes the vectors of files: none is served, or several that were made for embeddings. Its operator names one with --embedding-model.",
        "embedding_model_not_configured");

    /// <exception cref="InferenceException">The model is not served.</exception>
    public async ValueTask<EmbeddingModel> FindAsync(string name, CancellationToken cancellationToken)
    {
        ListModelsResponse served = await pool.ListModelsAsync(new ListModelsRequest(), cancellationToken);
        ModelDescription model = served.Models.FirstOrDefault(model => model.Name == name)
            ?? throw new InferenceException(InferenceError.ModelNotFound, $"The vector store's model '{name}' is not served.", "model");

        // Models that write text were not made for vectors: the mean of their states tells more of a text than its last one.
        return new EmbeddingModel(name, model.Kind == ModelKind.Embed ? Pooling.Unspecified : Pooling.Mean, (int)model.ContextLength);
    }

    /// <summary>How many tokens a text has, without those that are put around it.</summary>
    public async ValueTask<int> CountAsync(EmbeddingModel model, string text, CancellationToken cancellationToken) =>
        (await pool.TokenizeAsync(new TokenizeRequest { Model = model.Name, Text = text, WithoutSpecial = true }, cancellationToken)).TokenIds.Count;

    /// <summary>The vectors of at most <see cref="MostTexts"/> texts, none of them empty, each of unit length.</summary>
    /// <exception cref="InferenceException">The pool refused or failed.</exception>
    public async Task<float[][]> EmbedAsync(EmbeddingModel model, IEnumerable<string> texts, string project, int priority, string requestId, CancellationToken cancellationToken)
    {
        var request = new EmbedRequest { RequestId = requestId, Model = model.Name, Pooling = model.Pooling, Project = project, Priority = priority, TruncateTokens = -1 };
        request.Inputs.AddRange(texts.Select(static text => new EmbedInput { Text = text }));
        EmbedResponse response = await pool.EmbedAsync(request, cancellationToken);
        if (response.Embeddings.Count != request.Inputs.Count)
        {
            throw new InvalidOperationException($"the pool answered {request.Inputs.Count} texts with {response.Embeddings.Count} vectors");
        }

        return [.. response.Embeddings.Select(static embedding =>
        {
            float[] vector = [.. embedding.Values];
            VectorScan.Normalise(vector);
            return vector;
        })];
    }
}
