using System.Text.Json;

namespace HelixFlow.Agents.JobTypes.Agents;

/// <summary>What <see cref="AgentJob"/> takes and gives.</summary>
internal static class AgentSchemas
{
    public static JsonElement Input { get; } = JsonElement.Parse("""
        {
          "type": "object",
          "properties": {
            "goal": { "type": "string", "minLength": 1, "description": "What is to be done" },
            "messages": {
              "type": "array",
              "minItems": 1,
              "description": "A conversation before the goal, or in place of it",
              "items": {
                "type": "object",
                "properties": { "role": { "enum": ["user", "assistant"] }, "content": { "type": "string" } },
                "required": ["role", "content"],
                "additionalProperties": false
              }
            },
            "instructions": { "type": "string", "minLength": 1, "description": "How it is to be done" },
            "model": { "type": "string", "minLength": 1, "description": "Default: the first model that is served" },
            "tools": {
              "type": "array",
              "minItems": 1,
              "maxItems": 64,
              "items": {
                "type": "object",
                "properties": {
                  "type": { "enum": ["builtin", "openapi", "mcp"] },
                  "name": { "type": "string", "minLength": 1, "maxLength": 40, "description": "A built-in tool: calculator, current_time, json_query, search_documents, http_fetch. Of others, what their tools' names begin with" },
                  "document": { "type": ["object", "string"], "description": "openapi: the document, version 3, as JSON" },
                  "server": { "type": "string", "minLength": 1, "description": "openapi: another server than the document's first. mcp: the operator's name of the server" },
                  "url": { "type": "string", "minLength": 1, "description": "mcp: the address of a server with streamable HTTP" },
                  "only": { "type": "array", "minItems": 1, "items": { "type": "string" }, "description": "The operations or tools that may be used; default: all" },
                  "idempotent": { "type": "array", "minItems": 1, "items": { "type": "string" }, "description": "Operations or tools whose calls may be repeated with the same key" },
                  "idempotency_header": { "type": "string", "minLength": 1, "maxLength": 100, "default": "Idempotency-Key" },
                  "auth": {
                    "type": "object",
                    "properties": {
                      "secret": { "type": "string", "minLength": 1, "description": "The operator's name of the secret; never the secret itself" },
                      "header": { "type": "string", "minLength": 1, "maxLength": 100, "default": "Authorization" },
                      "scheme": { "type": "string", "maxLength": 40, "default": "Bearer" }
                    },
                    "required": ["secret"],
                    "additionalProperties": false
                  }
                },
                "required": ["type"],
                "additionalProperties": false
              }
            },
            "tool_choice": { "type": "string", "minLength": 1, "default": "auto", "description": "auto; or required, or a tool's name: the first turn calls one" },
            "documents": {
              "type": "array",
              "minItems": 1,
              "maxItems": 200,
              "description": "For search_documents and json_query",
              "items": {
                "type": "object",
                "properties": { "name": { "type": "string", "minLength": 1, "maxLength": 300 }, "text": { "type": "string", "minLength": 1 } },
                "required": ["text"],
                "additionalProperties": false
              }
            },
            "budget": {
              "type": "object",
              "properties": {
                "max_steps": { "type": "integer", "minimum": 1, "maximum": 1000, "default": 50, "description": "Turns of the model and calls of tools, together" },
                "max_tokens": { "type": "integer", "minimum": 1, "description": "Of all questions and answers" },
                "max_cost": { "type": "number", "exclusiveMinimum": 0 },
                "prices": {
                  "type": "object",
                  "properties": { "prompt_per_million": { "type": "number", "minimum": 0 }, "completion_per_million": { "type": "number", "minimum": 0 } },
                  "required": ["prompt_per_million", "completion_per_million"],
                  "additionalProperties": false
                }
              },
              "additionalProperties": false
            },
            "approval": {
              "type": "object",
              "description": "Which calls a person must approve",
              "properties": {
                "tools": { "type": "array", "minItems": 1, "items": { "type": "string" }, "description": "Names of tools, or * for all" },
                "effects": { "type": "array", "minItems": 1, "items": { "enum": ["unsafe", "idempotent", "recorded", "pure", "destructive"] } },
                "expires_seconds": { "type": "number", "exclusiveMinimum": 0, "maximum": 31622400, "description": "How long a call waits for its approval; default: without end" },
                "on_expiry": { "enum": ["reject", "fail"], "default": "reject", "description": "What counts then: the call is rejected, or the job fails with question_expired" }
              },
              "additionalProperties": false
            },
            "output_schema": { "type": "object", "description": "JSON Schema of the answer; default: a text" },
            "max_answer_tokens": { "type": "integer", "minimum": 16, "maximum": 100000, "default": 1024, "description": "Of one turn" },
            "max_result_characters": { "type": "integer", "minimum": 100, "maximum": 1000000, "default": 8000, "description": "Of one tool's result; the rest is cut" }
          },
          "anyOf": [{ "required": ["goal"] }, { "required": ["messages"] }],
          "additionalProperties": false
        }
        """);

    public static JsonElement Output { get; } = JsonElement.Parse("""
        {
          "type": "object",
          "properties": {
            "answer": { "description": "A text; or a value of the output_schema, null when the budget or the length ended it before" },
            "stop_reason": { "enum": ["answered", "cut", "max_steps", "max_tokens", "max_cost", "loop"] },
            "transcript": {
              "type": "array",
              "items": {
                "type": "object",
                "properties": {
                  "address": { "type": "string", "description": "The step" },
                  "kind": { "enum": ["turn", "call"] },
                  "text": { "type": "string", "description": "What the model wrote, or what the tool gave" },
                  "tool": { "type": "string" },
                  "arguments": { "type": "string", "description": "As they were used" },
                  "effect": { "enum": ["unsafe", "idempotent", "recorded", "pure"] },
                  "outcome": { "enum": ["ok", "error", "rejected", "not_made"] },
                  "by": { "type": "string", "description": "Who approved or rejected it" },
                  "left_out": { "type": "integer", "description": "Earlier turns that the model's context had no room for" }
                },
                "required": ["address", "kind", "text"]
              }
            },
            "turns": { "type": "integer" },
            "calls": { "type": "integer" },
            "usage": {
              "type": "object",
              "properties": { "prompt_tokens": { "type": "integer" }, "completion_tokens": { "type": "integer" } },
              "required": ["prompt_tokens", "completion_tokens"]
            },
            "cost": { "type": "number" },
            "model": { "type": "string" }
          },
          "required": ["answer", "stop_reason", "transcript", "turns", "calls", "usage", "model"]
        }
        """);
}
