using HelixFlow.Gateway.Errors;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Requests;

/// <summary>The field "model" of the endpoints where other servers let it be left out.</summary>
internal static class ModelField
{
    /// <summary>The model that the request names; when it names none, the only one that is served.</summary>
    /// <exception cref="OpenAiException">It names none, and not exactly one is served.</exception>
    public static async ValueTask<string> ReadAsync(RequestFields fields, IInferencePool pool, CancellationToken cancellationToken)
    {
        if (fields.String("model") is { } named)
        {
            return named;
        }

        ListModelsResponse list = await pool.ListModelsAsync(new ListModelsRequest(), cancellationToken);
        return list.Models.Count == 1 ? list.Models[0].Name : throw fields.Missing("model");
    }

    /// <summary>Says that no model of a name is served.</summary>
    /// <exception cref="OpenAiException">None is.</exception>
    public static async Task CheckServedAsync(IInferencePool pool, string model, CancellationToken cancellationToken)
    {
        ListModelsResponse models = await pool.ListModelsAsync(new ListModelsRequest(), cancellationToken);
        if (!models.Models.Any(served => served.Name == model))
        {
            throw new OpenAiException(OpenAiError.ModelNotFound(model));
        }
    }
}
