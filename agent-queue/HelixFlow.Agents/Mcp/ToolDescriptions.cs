using System.Text.Json;
using ModelContextProtocol.Protocol;

namespace HelixFlow.Agents.Mcp;

/// <summary>The tools that deal with tasks of any type, as models read them.</summary>
internal static class ToolDescriptions
{
    private const string TaskId = """{"type":"string","description":"The task_id that the queueing tool or list_jobs returned."}""";

    private const string TaskProperties = """
        {"type":"object","properties":{
          "task_id":{"type":"string"},
          "type":{"type":"string"},
          "state":{"enum":["waiting","ready","running","parked","succeeded","cancelled","dead"],"description":"succeeded, cancelled and dead are final; a dead task has failed."},
          "progress_percent":{"type":"integer"},
          "message":{"type":["string","null"]},
          "estimated_remaining_ms":{"type":["integer","null"]},
          "error":{"type":["string","null"]},
          "created_at":{"type":["string","null"]},
          "ended_at":{"type":["string","null"]}},
         "required":["task_id","type","state","progress_percent"]}
        """;

    /// <summary>A task as all tools show it.</summary>
    public static JsonElement Task { get; } = JsonElement.Parse(TaskProperties);

    public static Tool Status { get; } = new()
    {
        Name = "get_task_status",
        Title = "See how far a task is",
        Description = "Tells whether a task waits, runs, has succeeded or has failed, with its progress and the time that is left. With wait_seconds it answers when the task has ended, or after that time.",
        InputSchema = JsonElement.Parse($$$"""
            {"type":"object","properties":{"task_id":{{{TaskId}}},
             "wait_seconds":{"type":"integer","minimum":0,"maximum":50,"default":0,"description":"How long to wait for the end of the task."}},
             "required":["task_id"],"additionalProperties":false}
            """),
        OutputSchema = Task,
        Annotations = ReadOnly(),
    };

    public static Tool Result { get; } = new()
    {
        Name = "get_task_result",
        Title = "Read a task's result",
        Description = "Returns what a task that has succeeded gave. A task that has not ended, or has failed, is an error that says so.",
        InputSchema = JsonElement.Parse($$$"""{"type":"object","properties":{"task_id":{{{TaskId}}}},"required":["task_id"],"additionalProperties":false}"""),
        OutputSchema = JsonElement.Parse("""{"type":"object","properties":{"task_id":{"type":"string"},"type":{"type":"string"},"result":{}},"required":["task_id","type","result"]}"""),
        Annotations = ReadOnly(),
    };

    public static Tool List { get; } = new()
    {
        Name = "list_jobs",
        Title = "List tasks",
        Description = "Lists the project's tasks, newest first.",
        InputSchema = JsonElement.Parse("""
            {"type":"object","properties":{
              "state":{"enum":["waiting","ready","running","parked","succeeded","cancelled","dead"],"description":"Only tasks in this state."},
              "type":{"type":"string","description":"Only tasks of this type, for example summarise."},
              "limit":{"type":"integer","minimum":1,"maximum":100,"default":20},
              "after":{"type":"string","description":"The last task_id of the list before, to go on behind it."}},
             "additionalProperties":false}
            """),
        OutputSchema = JsonElement.Parse($$$"""{"type":"object","properties":{"tasks":{"type":"array","items":{{{TaskProperties}}}}},"required":["tasks"]}"""),
        Annotations = ReadOnly(),
    };

    public static Tool Cancel { get; } = new()
    {
        Name = "cancel_job",
        Title = "Cancel a task",
        Description = "Ends a task that has not ended. What it has done until then is lost to get_task_result.",
        InputSchema = JsonElement.Parse($$$"""{"type":"object","properties":{"task_id":{{{TaskId}}}},"required":["task_id"],"additionalProperties":false}"""),
        OutputSchema = Task,
        Annotations = new ToolAnnotations { ReadOnlyHint = false, DestructiveHint = true, IdempotentHint = true, OpenWorldHint = false },
    };

    private static ToolAnnotations ReadOnly() => new() { ReadOnlyHint = true, OpenWorldHint = false };
}
