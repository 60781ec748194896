using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;
using ModelContextProtocol.Protocol;

namespace HelixFlow.Agents.Mcp;

/// <summary>A tool that queues jobs of a type.</summary>
/// <param name="Name">The tool's name.</param>
/// <param name="Title">For people.</param>
/// <param name="JobType">The type of its jobs.</param>
/// <param name="IsOpenWorld">Whether its jobs reach out of this server.</param>
internal sealed record QueueTool(string Name, string Title, string JobType, bool IsOpenWorld)
{
    public const string KeyArgument = "idempotency_key";
    public const string PriorityArgument = "priority";

    public static IReadOnlyList<QueueTool> All { get; } =
    [
        new("queue_research_task", "Queue a research task", "research", IsOpenWorld: true),
        new("queue_content_generation", "Queue the writing of a text", "generate-content", IsOpenWorld: false),
        new("queue_summary", "Queue a summary", "summarise", IsOpenWorld: false),
    ];

    /// <summary>The tool with the input that its job type takes, and what can be said about any job.</summary>
    public Tool Describe(JobTypeEntry type)
    {
        JsonObject schema = JsonNode.Parse(type.InputSchema.GetRawText())!.AsObject();
        schema["type"] = "object";
        if (schema["properties"] is not JsonObject properties)
        {
            schema["properties"] = properties = [];
        }

        properties[KeyArgument] = new JsonObject
        {
            ["type"] = "string", ["maxLength"] = 255, ["description"] = "Your name for this request. Calling again with the same one and the same arguments gives the same task, for example after a timeout.",
        };
        properties[PriorityArgument] = new JsonObject
        {
            ["enum"] = new JsonArray("interactive", "high", "normal", "low"), ["default"] = "normal", ["description"] = "A higher class is worked on first.",
        };
        return new Tool
        {
            Name = Name,
            Title = Title,
            Description = $"{type.Description} Returns at once with a task_id while the work goes on in the background; ask get_task_status, then get_task_result.",
            InputSchema = JsonElement.Parse(schema.ToJsonString()),
            OutputSchema = ToolDescriptions.Task,
            Annotations = new ToolAnnotations { ReadOnlyHint = false, DestructiveHint = false, IdempotentHint = false, OpenWorldHint = IsOpenWorld },
        };
    }
}
