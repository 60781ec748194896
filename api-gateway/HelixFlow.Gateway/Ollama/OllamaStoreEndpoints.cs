using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace HelixFlow.Gateway.Ollama;

/// <summary><c>POST /api/pull</c>, and the calls of Ollama's API that would change which models there are, all of which are refused.</summary>
internal sealed class OllamaStoreEndpoints(OllamaModels models, GatewayOptions options, IServiceProvider services)
{
    private readonly IModelPuller? _puller = services.GetService<IModelPuller>();

    public async Task PullAsync(HttpContext context)
    {
        string name;
        bool stream;
        bool isServed;
        using (JsonDocument body = await OllamaRequest.ReadBodyAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            name = OllamaModels.NameOf(fields);
            stream = OllamaOptions.Stream(fields);
            isServed = await models.TryFindAsync(name, context.RequestAborted) is not null;
        }

        if (isServed)
        {
            await WriteSuccessAsync(context, stream);
            return;
        }

        if (_puller is null)
        {
            throw Refusal($"this server cannot pull '{name}': fetch it on its machine (helixflow pull {name}) and serve it from there (helixflow serve --model NAME)");
        }

        await (stream ? StreamAsync(context, _puller, name) : CollectAsync(context, _puller, name));
    }

    /// <summary>Answers a call that would make, copy, delete or publish a model.</summary>
    public static Task RefuseAsync(HttpContext context) =>
        throw Refusal($"{context.Request.Path} is not supported: models are managed on the server's machine (helixflow pull, helixflow models)");

    private static OpenAiException Refusal(string message) => new(new OpenAiError(StatusCodes.Status501NotImplemented, "invalid_request_error", message, Code: "unsupported"));

    private static async Task CollectAsync(HttpContext context, IModelPuller puller, string name)
    {
        try
        {
            await foreach (PullProgress progress in puller.PullAsync(name, context.RequestAborted))
            {
                _ = progress; // only its end is told
            }
        }
        catch (ModelPullException exception)
        {
            throw new OpenAiException(OpenAiError.Invalid(exception.Message, "model"), exception);
        }

        await WriteSuccessAsync(context, stream: false);
    }

    private static async Task StreamAsync(HttpContext context, IModelPuller puller, string name)
    {
        using var lines = new JsonLines(context);
        try
        {
            await foreach (PullProgress progress in puller.PullAsync(name, context.RequestAborted))
            {
                lines.Add(progress, static (json, progress) =>
                {
                    json.WriteStartObject();
                    json.WriteString("status"u8, progress.Status);
                    if (progress.TotalBytes is { } total)
                    {
                        json.WriteNumber("total"u8, total);
                        json.WriteNumber("completed"u8, progress.DoneBytes);
                    }

                    json.WriteEndObject();
                });
                await lines.FlushAsync();
            }

            lines.Add("success", WriteStatus);
        }
        catch (ModelPullException exception)
        {
            lines.Add(OpenAiError.Invalid(exception.Message, "model"), OllamaErrors.Write);
        }

        await lines.FlushAsync();
    }

    private static async Task WriteSuccessAsync(HttpContext context, bool stream)
    {
        if (!stream)
        {
            await JsonResponse.WriteAsync(context, "success", WriteStatus);
            return;
        }

        using var lines = new JsonLines(context);
        lines.Add("success", WriteStatus);
        await lines.FlushAsync();
    }

    private static void WriteStatus(Utf8JsonWriter json, string status)
    {
        json.WriteStartObject();
        json.WriteString("status"u8, status);
        json.WriteEndObject();
    }
}
