using System.Text.Json.Nodes;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Agents.OpenApi;

/// <summary>The operations of an OpenAPI document as tools.</summary>
internal static class OpenApiTools
{
    /// <exception cref="JobFailedException">The document will not do, or a secret must not be sent to its server.</exception>
    public static IEnumerable<ITool> Of(ToolInput source, ToolHost host, string project)
    {
        List<OpenApiOperation> operations;
        Dictionary<string, string> unusable;
        Uri server;
        try
        {
            JsonObject document = OpenApiDocument.Parse(source.Document ?? throw new FormatException("There is no 'document'."));
            server = ServerOf(source, document);
            operations = OpenApiDocument.Operations(document, source.Only, source.Idempotent, out unusable);
        }
        catch (FormatException exception)
        {
            throw new JobFailedException("invalid_openapi", $"The tools of the OpenAPI document cannot be had: {exception.Message}", exception);
        }

        foreach (string name in source.Only ?? [])
        {
            if (unusable.TryGetValue(name, out string? reason))
            {
                throw new JobFailedException("invalid_openapi", $"The operation '{name}' cannot be called: {reason}");
            }

            if (!operations.Exists(operation => operation.Name == name))
            {
                throw new JobFailedException("invalid_openapi", $"The OpenAPI document has no operation '{name}'.");
            }
        }

        if (source.Auth is { } auth)
        {
            _ = ToolSecrets.Of(host, auth.Secret, server, project); // said before anything is done
        }

        return operations.Select(operation => new OpenApiTool(operation, server, source, host));
    }

    private static Uri ServerOf(ToolInput source, JsonObject document)
    {
        Uri? server = source.Server is null ? OpenApiDocument.ServerOf(document)
            : Uri.TryCreate(source.Server, UriKind.Absolute, out Uri? given) && given.Scheme is "http" or "https" ? given
            : null;
        return server is { UserInfo: "", Query: "", Fragment: "" } ? server
            : throw new FormatException("There is no complete address of a server, with http or https and without a password, in its 'servers' or in 'server'.");
    }
}
