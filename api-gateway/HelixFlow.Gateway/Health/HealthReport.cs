using System.Text.Json.Serialization;

namespace HelixFlow.Gateway.Health;

/// <summary>The body of a health check that succeeded.</summary>
internal sealed record HealthReport(string Status);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(HealthReport))]
internal sealed partial class HealthJson : JsonSerializerContext;
