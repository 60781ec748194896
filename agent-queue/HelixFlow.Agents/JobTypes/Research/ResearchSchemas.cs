using System.Text.Json;

namespace HelixFlow.Agents.JobTypes.Research;

/// <summary>What research jobs take and give.</summary>
internal static class ResearchSchemas
{
    public static JsonElement Input { get; } = JsonElement.Parse("""
        {
          "type": "object",
          "properties": {
            "question": { "type": "string", "minLength": 1, "maxLength": 2000, "description": "What is to be found out" },
            "urls": { "type": "array", "items": { "type": "string", "minLength": 1, "maxLength": 2048 }, "maxItems": 50, "description": "Pages to read first" },
            "sources": {
              "type": "array", "items": { "enum": ["web", "local"] }, "maxItems": 2, "default": ["web", "local"],
              "description": "What is searched, as far as it is configured; an empty list searches nothing"
            },
            "breadth": { "type": "integer", "minimum": 1, "maximum": 8, "default": 4, "description": "Searches in a round: the question and parts of it" },
            "depth": {
              "type": "integer", "minimum": 1, "maximum": 3, "default": 1, "description": "Rounds: after each but the last the model says what is still missing"
            },
            "max_sources": { "type": "integer", "minimum": 1, "maximum": 40, "default": 8, "description": "Most pages to read" },
            "language": { "type": "string", "minLength": 2, "maxLength": 35, "description": "A BCP 47 tag; default: that of the question" },
            "style": {
              "enum": ["report", "brief"], "default": "report", "description": "An answer with a section for each part of the question, or the answer alone"
            },
            "model": { "type": "string", "minLength": 1, "description": "The model that reads and writes; default: the first one that is served" },
            "max_tokens": {
              "type": "integer", "minimum": 1,
              "description": "Most tokens of all questions and answers; when they do not suffice, ranking decides instead of the model. Default: no limit"
            }
          },
          "required": ["question"],
          "additionalProperties": false
        }
        """);

    public static JsonElement Output { get; } = JsonElement.Parse("""
        {
          "type": "object",
          "properties": {
            "question": { "type": "string" },
            "report": { "type": "string", "description": "Markdown; numbers in brackets refer to the citations. Empty when nothing was found" },
            "citations": {
              "type": "array",
              "description": "The places in pages that the report names. Positions count UTF-16 code units of the page's text, which is an artifact of the job",
              "items": {
                "type": "object",
                "properties": {
                  "number": { "type": "integer" }, "source": { "type": "integer" }, "url": { "type": "string" }, "title": { "type": "string" },
                  "quote": { "type": "string", "description": "What stands there, runs of white space as one space" },
                  "start": { "type": "integer" }, "end": { "type": "integer" }, "artifact": { "type": "string" },
                  "text_sha256": { "type": "string" }, "fetched_at": { "type": "string" },
                  "chosen_by": { "enum": ["model", "ranking"] }
                },
                "required": ["number", "source", "url", "title", "quote", "start", "end", "artifact", "text_sha256", "fetched_at", "chosen_by"]
              }
            },
            "sources": {
              "type": "array",
              "description": "All pages that were tried",
              "items": {
                "type": "object",
                "properties": {
                  "number": { "type": "integer" }, "url": { "type": "string" }, "title": { "type": "string" },
                  "status": { "enum": ["cited", "read", "rejected"] },
                  "code": { "type": "string" }, "reason": { "type": "string" }, "found_by": { "type": "string" }, "step": { "type": "string" },
                  "text_sha256": { "type": "string" }, "fetched_at": { "type": "string" }
                },
                "required": ["number", "url", "title", "status", "found_by", "step"]
              }
            },
            "queries": { "type": "array", "items": { "type": "string" } },
            "notes": {
              "type": "array",
              "description": "What did not go as it should, and what was done instead",
              "items": { "type": "object", "properties": { "code": { "type": "string" }, "message": { "type": "string" } }, "required": ["code", "message"] }
            },
            "model": { "type": "string" },
            "usage": {
              "type": "object",
              "properties": { "calls": { "type": "integer" }, "prompt_tokens": { "type": "integer" }, "completion_tokens": { "type": "integer" } },
              "required": ["calls", "prompt_tokens", "completion_tokens"]
            }
          },
          "required": ["question", "report", "citations", "sources", "queries", "notes", "model", "usage"]
        }
        """);
}
