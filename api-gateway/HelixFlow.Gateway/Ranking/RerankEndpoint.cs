using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Embeddings;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Observability;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Ranking;

/// <summary>
/// <c>POST /v1/rerank</c>, in Cohere's and Jina's form: documents ordered by what they have to do with the query; see <see cref="TextScores"/>.
/// </summary>
internal sealed class RerankEndpoint(TextScores scores, MeasuredPool pool, GatewayOptions options)
{
    private const int MostDocuments = 2048;

    public async Task HandleAsync(HttpContext context)
    {
        Request request;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            request = Parse(fields, await ModelField.ReadAsync(fields, pool, context.RequestAborted));
        }

        PairScores answer = await scores.RunAsync(context, request.Template, [request.Query], request.Documents, static _ => "query", At);
        Result[] results =
        [
            .. answer.Scores
                .Select((score, index) => new Result(index, score, request.ReturnDocuments ? request.Documents[index].Text : null))
                .OrderByDescending(static result => result.Score).ThenBy(static result => result.Index)
                .Take(request.Top),
        ];
        string id = "rerank-" + context.TraceIdentifier["req_".Length..];
        await JsonResponse.WriteAsync(context, (id, request.Template.Model, results, answer.Tokens), static (json, state) => Write(json, state.id, state.Model, state.results, state.Tokens));
    }

    private static Request Parse(RequestFields fields, string model)
    {
        var template = new EmbedRequest { Model = model };
        EmbeddingRequest.ReadPooling(fields, template);
        foreach (string name in (string[])["rank_fields", "max_chunks_per_doc", "max_tokens_per_doc"])
        {
            if (fields.TryGet(name, out _))
            {
                throw fields.Unsupported(name, "is not supported: this server compares whole texts.");
            }
        }

        EmbedInput query = EmbeddingRequest.Text(fields.RequiredString("query"), "query");
        var read = new List<EmbedInput>();
        JsonElement documents = fields.Array("documents") ?? throw fields.Missing("documents");
        if (documents.GetArrayLength() is 0 or > MostDocuments)
        {
            throw RequestFields.Invalid(
                "documents", $"Invalid 'documents': expected an array of 1 to {MostDocuments} documents, but got {documents.GetArrayLength()}.",
                documents.GetArrayLength() == 0 ? "empty_array" : "array_above_max_length");
        }

        foreach (JsonElement document in documents.EnumerateArray())
        {
            string param = At(read.Count);
            read.Add(document.ValueKind switch
            {
                JsonValueKind.String => EmbeddingRequest.Text(document.GetString()!, param),
                JsonValueKind.Object => EmbeddingRequest.Text(new RequestFields(document, param + ".").RequiredString("text"), param + ".text"),
                _ => throw RequestFields.WrongType(param, "a string or an object with a 'text'", document),
            });
        }

        return new Request(template, query, read, (int)(fields.Integer("top_n", 1, int.MaxValue) ?? int.MaxValue), fields.Bool("return_documents"));
    }

    private static void Write(Utf8JsonWriter json, string id, string model, Result[] results, long tokens)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, id);
        json.WriteString("model"u8, model);
        json.WriteStartArray("results"u8);
        foreach (Result result in results)
        {
            json.WriteStartObject();
            json.WriteNumber("index"u8, result.Index);
            json.WriteNumber("relevance_score"u8, result.Score);
            if (result.Document is { } text)
            {
                json.WriteStartObject("document"u8);
                json.WriteString("text"u8, text);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        UsageJson.WritePromptOnly(json, tokens);
        json.WriteEndObject();
    }

    private static string At(int index) => string.Create(CultureInfo.InvariantCulture, $"documents[{index}]");

    /// <param name="Template">Everything but the inputs.</param>
    /// <param name="Query">What the documents are compared with.</param>
    /// <param name="Documents">At least one.</param>
    /// <param name="Top">Most results.</param>
    /// <param name="ReturnDocuments">Whether results show their documents.</param>
    private sealed record Request(EmbedRequest Template, EmbedInput Query, IReadOnlyList<EmbedInput> Documents, int Top, bool ReturnDocuments);

    private readonly record struct Result(int Index, double Score, string? Document);
}
