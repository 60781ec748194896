using System.Text.Encodings.Web;
using System.Text.Json;

namespace HelixFlow.Benchmarks.Cluster;

/// <summary>A streamed chat request.</summary>
/// <param name="Model">The model's name.</param>
/// <param name="Messages">Roles and contents.</param>
/// <param name="MaxTokens">How many tokens the answer has.</param>
internal sealed record Turn(string Model, IReadOnlyList<(string Role, string Content)> Messages, int MaxTokens)
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The messages as OpenAI's JSON.</summary>
    public string MessagesJson { get; } = JsonSerializer.Serialize(Messages.Select(message => new { role = message.Role, content = message.Content }), Plain);
}
