using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary>An error as RFC 9457 has it, with a word for programs that never changes.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Code">For programs, for example <c>unknown_field</c>.</param>
/// <param name="Detail">For people: what is wrong, and what would be right.</param>
internal sealed record AgentProblem(int Status, string Code, string Detail)
{
    /// <summary>The place in the request, as a JSON Pointer into its body or as a parameter's name.</summary>
    public string? Pointer { get; init; }

    /// <summary>The job that stands in the way.</summary>
    public string? Job { get; init; }

    /// <summary>All that is wrong with a value, where there may be several things.</summary>
    public IReadOnlyList<(string Pointer, string Detail)> Errors { get; init; } = [];

    public static AgentProblem UnknownJob(string id) => new(StatusCodes.Status404NotFound, "unknown_job", $"There is no job '{Shortened(id)}' in this project.");

    public static AgentProblem UnknownArtifact(string hash) => new(
        StatusCodes.Status422UnprocessableEntity, "unknown_artifact", $"The input names the file {hash}, which this project does not have: bring it with POST {AgentEndpoints.Root}/artifacts.")
    {
        Pointer = "/input",
    };

    public static AgentProblem UnknownStep(string id, string address) =>
        new(StatusCodes.Status422UnprocessableEntity, "unknown_step", $"The job {id} has recorded no step '{Shortened(address)}'.") { Pointer = "/from" };

    public static AgentProblem WrongField(string pointer, string detail) => new(StatusCodes.Status400BadRequest, "invalid_field", detail) { Pointer = pointer };

    public static AgentProblem WrongParameter(string name, string detail) => new(StatusCodes.Status400BadRequest, "invalid_parameter", detail) { Pointer = name };

    public AgentProblemException AsException() => new(this);

    public async Task WriteAsync(HttpContext context)
    {
        var problem = new JsonObject
        {
            ["type"] = "about:blank",
            ["title"] = Title(Status),
            ["status"] = Status,
            ["detail"] = Detail,
            ["instance"] = context.Request.Path.Value,
            ["code"] = Code,
        };
        if (Pointer is not null)
        {
            problem["pointer"] = Pointer;
        }

        if (Job is not null)
        {
            problem["job"] = Job;
        }

        if (Errors.Count > 0)
        {
            problem["errors"] = new JsonArray([.. Errors.Select(static error => new JsonObject { ["pointer"] = error.Pointer, ["detail"] = error.Detail })]);
        }

        if (Status == StatusCodes.Status401Unauthorized)
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
        }

        await AgentResponse.WriteAsync(context, Status, problem, "application/problem+json");
    }

    /// <summary>A caller's own text as part of a message.</summary>
    public static string Shortened(string text) => text.Length <= 100 ? text : text[..100] + "…";

    // The phrases of RFC 9110, which "about:blank" asks for.
    private static string Title(int status) => status switch
    {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        507 => "Insufficient Storage",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    };
}

/// <summary>Ends a request with a problem.</summary>
internal sealed class AgentProblemException(AgentProblem problem) : Exception(problem.Detail)
{
    public AgentProblem Problem => problem;
}
