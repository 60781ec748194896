using System.Text.Json;

namespace HelixFlow.Agents.JobTypes.Content;

/// <summary>What <see cref="GenerateContentJob"/> takes and gives.</summary>
internal static class ContentSchemas
{
    public static JsonElement Input { get; } = JsonElement.Parse($$"""
        {
          "type": "object",
          "properties": {
            "topic": { "type": "string", "minLength": 1, "maxLength": 8000, "description": "What to write about, as fully as you like" },
            "template": { "enum": [{{string.Join(", ", ContentTemplate.All.Select(static template => $"\"{template.Name}\""))}}], "default": "article" },
            "title": { "type": "string", "minLength": 1, "maxLength": 300, "description": "Default: the model's, or the topic when an outline is given" },
            "outline": {
              "type": "array",
              "minItems": 1,
              "maxItems": 50,
              "description": "The sections; default: the model plans them",
              "items": {
                "type": "object",
                "properties": {
                  "title": { "type": "string", "minLength": 1, "maxLength": 300 },
                  "brief": { "type": "string", "minLength": 1, "maxLength": 2000, "description": "What the section is to say" },
                  "words": { "type": "integer", "minimum": 10, "maximum": 2000 }
                },
                "required": ["title"],
                "additionalProperties": false
              }
            },
            "sections": { "type": "integer", "minimum": 1, "maximum": 30, "description": "How many sections to plan; default: as the template has" },
            "words_per_section": { "type": "integer", "minimum": 10, "maximum": 2000, "description": "About; default: as the template has" },
            "tone": { "type": "string", "minLength": 1, "maxLength": 300 },
            "audience": { "type": "string", "minLength": 1, "maxLength": 300 },
            "language": { "type": "string", "minLength": 1, "maxLength": 100 },
            "keywords": { "type": "array", "minItems": 1, "maxItems": 30, "items": { "type": "string", "minLength": 1, "maxLength": 100 } },
            "sources": {
              "type": "array",
              "minItems": 1,
              "maxItems": 100,
              "description": "Material to write from; what comes from it is cited",
              "items": {
                "type": "object",
                "properties": { "name": { "type": "string", "minLength": 1, "maxLength": 300 }, "text": { "type": "string", "minLength": 1 } },
                "required": ["text"],
                "additionalProperties": false
              }
            },
            "mode": { "enum": ["parallel", "sequential"], "default": "parallel", "description": "sequential: each section knows what those before it say" },
            "format": { "enum": ["markdown", "html", "text"], "default": "markdown" },
            "model": { "type": "string", "minLength": 1, "description": "Who writes; default: the first model that is served" }
          },
          "required": ["topic"],
          "additionalProperties": false
        }
        """);

    public static JsonElement Output { get; } = JsonElement.Parse("""
        {
          "type": "object",
          "properties": {
            "title": { "type": "string" },
            "content": { "type": "string", "description": "The whole document; numbers in brackets refer to the citations" },
            "outline": {
              "type": "object",
              "properties": {
                "title": { "type": "string" },
                "sections": { "type": "array", "items": { "type": "object", "properties": { "title": { "type": "string" }, "brief": { "type": "string" }, "words": { "type": "integer" } }, "required": ["title"] } }
              },
              "required": ["title", "sections"]
            },
            "sections": {
              "type": "array",
              "items": {
                "type": "object",
                "properties": {
                  "title": { "type": "string" },
                  "text": { "type": "string" },
                  "words": { "type": "integer" },
                  "is_cut": { "type": "boolean", "description": "Whether the model had more to say than there was room for" }
                },
                "required": ["title", "text", "words", "is_cut"]
              }
            },
            "words": { "type": "integer" },
            "citations": {
              "type": "array",
              "items": {
                "type": "object",
                "description": "Positions count UTF-16 code units of the source's text.",
                "properties": { "number": { "type": "integer" }, "source": { "type": "string" }, "start": { "type": "integer" }, "end": { "type": "integer" }, "quote": { "type": "string" } },
                "required": ["number", "source", "start", "end", "quote"]
              }
            },
            "missing_keywords": { "type": "array", "items": { "type": "string" } },
            "model": { "type": "string" },
            "usage": {
              "type": "object",
              "properties": { "calls": { "type": "integer" }, "prompt_tokens": { "type": "integer" }, "completion_tokens": { "type": "integer" } },
              "required": ["calls", "prompt_tokens", "completion_tokens"]
            }
          },
          "required": ["title", "content", "outline", "sections", "words", "citations", "missing_keywords", "model", "usage"]
        }
        """);
}
