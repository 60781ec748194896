using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Tokens;

/// <summary><c>POST /detokenize</c>, in vLLM's form: the text of token ids, special tokens as they are written.</summary>
internal sealed class DetokenizeEndpoint(MeasuredPool pool, GatewayOptions options)
{
    public async Task HandleAsync(HttpContext context)
    {
        var request = new DetokenizeRequest();
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            if (fields.Array("tokens") is null)
            {
                throw fields.Missing("tokens");
            }

            request.TokenIds.AddRange(fields.Integers("tokens"));
            request.Model = await ModelField.ReadAsync(fields, pool, context.RequestAborted);
        }

        DetokenizeResponse answer;
        try
        {
            answer = await pool.DetokenizeAsync(request, context.RequestAborted);
        }
        catch (InferenceException exception)
        {
            OpenAiError error = OpenAiError.Of(exception, "tokens");
            throw new OpenAiException(error with { Param = error.Param?.Replace("token_ids", "tokens", StringComparison.Ordinal) }, exception);
        }

        await JsonResponse.WriteAsync(context, answer.Text, static (json, text) =>
        {
            json.WriteStartObject();
            json.WriteString("prompt"u8, text);
            json.WriteEndObject();
        });
    }
}
