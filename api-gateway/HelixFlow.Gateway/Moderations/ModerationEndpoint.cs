using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Moderations;

/// <summary><c>POST /v1/moderations</c>: asks the model that is configured for it, of the Llama Guard kind, whether texts are safe.</summary>
internal sealed class ModerationEndpoint(MeasuredPool pool, GatewayOptions options)
{
    private const int MostInputs = 2048;
    private const int MostAtOnce = 4;
    private const uint MostTokens = 64; // a verdict and its hazards
    private const uint Alternatives = 20;

    // Clients name OpenAI's models by default; all of them mean the one that there is.
    private static readonly string[] _openAiModels = ["omni-moderation-latest", "omni-moderation-2024-09-26", "text-moderation-latest", "text-moderation-stable", "text-moderation-007"];

    public async Task HandleAsync(HttpContext context)
    {
        IReadOnlyList<string> inputs;
        string model;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            inputs = Inputs(fields);
            model = Model(fields);
        }

        var verdicts = new ModerationVerdict[inputs.Count];
        var limits = new ParallelOptions { MaxDegreeOfParallelism = MostAtOnce, CancellationToken = context.RequestAborted };
        await Parallel.ForAsync(0, inputs.Count, limits, async (i, token) => verdicts[i] = await AskAsync(context, model, inputs[i], i, token));
        string id = "modr-" + ObjectId.New("")[..24];
        await JsonResponse.WriteAsync(context, (id, model, verdicts), static (json, state) => Write(json, state.id, state.model, state.verdicts));
    }

    private async Task<ModerationVerdict> AskAsync(HttpContext context, string model, string input, int index, CancellationToken cancellationToken)
    {
        var request = new GenerateRequest
        {
            RequestId = string.Create(CultureInfo.InvariantCulture, $"{context.TraceIdentifier}-{index}"),
            Model = model,
            Project = BearerKey.ProjectOf(context),
            Chat = new ChatPrompt { MessagesJson = JsonText.Of(input, WriteMessages) },
            Sampling = new SamplingParameters { Temperature = 0 },
            MaxTokens = MostTokens,
            TopLogprobs = Alternatives,
            N = 1,
        };
        try
        {
            await using IAsyncEnumerator<GenerateEvent> events = pool.GenerateAsync(request, cancellationToken).GetAsyncEnumerator(cancellationToken);
            CollectedGeneration answer = await CollectedGeneration.ReadAsync(events);
            return (answer.Choices.TryGetValue(0, out CollectedChoice? choice) ? ModerationVerdict.Of(choice) : null) ?? throw new OpenAiException(new OpenAiError(
                StatusCodes.Status500InternalServerError,
                "server_error",
                $"The moderation model '{model}' answered neither 'safe' nor 'unsafe': it is no model of the Llama Guard kind, or the text confused it.",
                Code: "moderation_failed"));
        }
        catch (InferenceException exception)
        {
            throw new OpenAiException(OpenAiError.Of(exception, "input"), exception);
        }
    }

    private string Model(RequestFields fields)
    {
        string? named = fields.String("model");
        return options.ModerationModel is not { } model
            ? throw new OpenAiException(new OpenAiError(
                StatusCodes.Status404NotFound,
                "invalid_request_error",
                "This server has no moderation model. Its operator serves one of the Llama Guard kind and names it with --moderation-model.",
                "model",
                "moderation_model_not_configured"))
            : named is null || named == model || _openAiModels.Contains(named) ? model
            : throw new OpenAiException(OpenAiError.ModelNotFound(named));
    }

    // A text, an array of texts, or an array of parts, which are one input together.
    private static IReadOnlyList<string> Inputs(RequestFields fields)
    {
        if (!fields.TryGet("input", out JsonElement input))
        {
            throw fields.Missing("input");
        }

        if (input.ValueKind == JsonValueKind.Array && input.GetArrayLength() == 0)
        {
            throw RequestFields.Invalid("input", "Invalid 'input': input cannot be an empty array.", "empty_array");
        }

        if (input.ValueKind != JsonValueKind.Array || input[0].ValueKind != JsonValueKind.Object)
        {
            return fields.Strings("input", MostInputs);
        }

        var texts = new List<string>();
        foreach (JsonElement item in input.EnumerateArray())
        {
            string param = string.Create(CultureInfo.InvariantCulture, $"input[{texts.Count}]");
            if (item.ValueKind != JsonValueKind.Object)
            {
                throw RequestFields.WrongType(param, "an object", item);
            }

            var part = new RequestFields(item, param + ".");
            texts.Add(part.RequiredString("type") switch
            {
                "text" => part.RequiredString("text"),
                "image_url" => throw part.Unsupported("type", "is not supported: the moderation model reads text alone."),
                { } other => throw RequestFields.Invalid(param + ".type", $"Invalid value: '{other}'. Supported values are: 'text'.", "invalid_value"),
            });
        }

        return [string.Join('\n', texts)];
    }

    private static void WriteMessages(Utf8JsonWriter json, string input)
    {
        json.WriteStartArray();
        json.WriteStartObject();
        json.WriteString("role"u8, "user"u8);
        json.WriteString("content"u8, input);
        json.WriteEndObject();
        json.WriteEndArray();
    }

    private static void Write(Utf8JsonWriter json, string id, string model, ModerationVerdict[] verdicts)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, id);
        json.WriteString("model"u8, model);
        json.WriteStartArray("results"u8);
        foreach (ModerationVerdict verdict in verdicts)
        {
            json.WriteStartObject();
            json.WriteBoolean("flagged"u8, verdict.IsUnsafe);
            json.WriteStartObject("categories"u8);
            foreach (string category in ModerationVerdict.Categories)
            {
                json.WriteBoolean(category, verdict.Names(category));
            }

            json.WriteEndObject();
            json.WriteStartObject("category_scores"u8);
            foreach (string category in ModerationVerdict.Categories)
            {
                json.WriteNumber(category, verdict.ScoreOf(category));
            }

            json.WriteEndObject();
            json.WriteStartObject("category_applied_input_types"u8);
            foreach (string category in ModerationVerdict.Categories)
            {
                json.WriteStartArray(category);
                json.WriteStringValue("text"u8);
                json.WriteEndArray();
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
