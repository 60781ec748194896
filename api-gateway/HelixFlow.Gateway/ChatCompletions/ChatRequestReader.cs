using System.Text.Json;
using HelixFlow.Gateway.Files;

namespace HelixFlow.Gateway.ChatCompletions;

/// <summary>Reads requests for chat completions, with the stored files that they name. Thread-safe.</summary>
internal sealed class ChatRequestReader(FileStore files, GatewayOptions options)
{
    /// <exception cref="Errors.OpenAiException">A field is missing, of the wrong type, out of range, or cannot be honoured; or a file is not there.</exception>
    public async Task<ChatCompletionRequest> ReadAsync(string project, JsonElement body, CancellationToken cancellationToken) =>
        ChatCompletionRequest.Parse(body, options, await InputFiles.ReadAsync(files, project, body, options.MaxBodyBytes, cancellationToken));
}
