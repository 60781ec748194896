using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Anthropic;

/// <summary><c>GET /v1/models</c> and <c>GET /v1/models/{id}</c> as Anthropic's clients want them.</summary>
internal sealed class AnthropicModels(IInferencePool pool)
{
    private const int MostPerPage = 1000;
    private const int UsualPerPage = 20;

    /// <exception cref="OpenAiException">A parameter of the query is wrong.</exception>
    public async Task ListAsync(HttpContext context)
    {
        ListModelsResponse list = await pool.ListModelsAsync(new ListModelsRequest(), context.RequestAborted);
        Page page = PageOf([.. list.Models], context.Request.Query);
        await JsonResponse.WriteAsync(context, page, static (json, page) =>
        {
            json.WriteStartObject();
            json.WriteStartArray("data"u8);
            foreach (ModelDescription model in page.Models)
            {
                Write(json, model);
            }

            json.WriteEndArray();
            json.WriteString("first_id"u8, page.Models.Count > 0 ? page.Models[0].Name : null);
            json.WriteBoolean("has_more"u8, page.HasMore);
            json.WriteString("last_id"u8, page.Models.Count > 0 ? page.Models[^1].Name : null);
            json.WriteEndObject();
        });
    }

    /// <summary>Tells of one model.</summary>
    public static Task GetAsync(HttpContext context, ModelDescription model) => JsonResponse.WriteAsync(context, model, Write);

    private static Page PageOf(List<ModelDescription> models, IQueryCollection query)
    {
        int limit = UsualPerPage;
        if (query.TryGetValue("limit", out Microsoft.Extensions.Primitives.StringValues asked)
            && !(int.TryParse(asked, NumberStyles.None, CultureInfo.InvariantCulture, out limit) && limit is >= 1 and <= MostPerPage))
        {
            throw RequestFields.Invalid("limit", string.Create(CultureInfo.InvariantCulture, $"limit: Input should be an integer between 1 and {MostPerPage}"), "invalid_value");
        }

        if (query["before_id"].ToString() is { Length: > 0 } before)
        {
            models = models[..Find(models, before, "before_id")];
            return new Page([.. models.TakeLast(limit)], models.Count > limit);
        }

        if (query["after_id"].ToString() is { Length: > 0 } after)
        {
            models = models[(Find(models, after, "after_id") + 1)..];
        }

        return new Page([.. models.Take(limit)], models.Count > limit);
    }

    private static int Find(List<ModelDescription> models, string name, string param)
    {
        int index = models.FindIndex(model => model.Name == name);
        return index >= 0 ? index : throw RequestFields.Invalid(param, $"{param}: there is no model '{name}'", "invalid_value");
    }

    private static void Write(Utf8JsonWriter json, ModelDescription model)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "model"u8);
        json.WriteString("id"u8, model.Name);
        json.WriteString("display_name"u8, model.Name);
        json.WriteString("created_at"u8, DateTimeOffset.FromUnixTimeSeconds(model.Created).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
        json.WriteNumber("max_input_tokens"u8, model.ContextLength);
        json.WriteNumber("max_tokens"u8, model.ContextLength);
        json.WriteEndObject();
    }

    private sealed record Page(IReadOnlyList<ModelDescription> Models, bool HasMore);
}
