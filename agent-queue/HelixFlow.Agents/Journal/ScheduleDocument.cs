using System.Text.Json.Serialization;
using HelixFlow.Agents.Schedules;

namespace HelixFlow.Agents.Journal;

/// <summary>How the job of a schedule is stored.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true)]
[JsonSerializable(typeof(JobTemplate))]
internal sealed partial class ScheduleDocument : JsonSerializerContext;
