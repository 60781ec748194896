using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Agents.Tools;

/// <summary>The operator's secrets. Inputs name them and never hold them; no journal and no model sees them.</summary>
internal static class ToolSecrets
{
    /// <summary>The value of a secret that may be sent to a server.</summary>
    /// <exception cref="JobFailedException">There is none of the name, or it is not meant for this project or this server.</exception>
    public static string Of(ToolHost host, string name, Uri server, string project)
    {
        ToolSecret? secret = host.Options.Secrets.GetValueOrDefault(name);
        if (secret is null || (secret.Projects.Count > 0 && !secret.Projects.Contains(project)))
        {
            throw new JobFailedException("unknown_secret", $"There is no secret '{name}' for this project. The operator of the server names them.");
        }

        string origin = server.GetLeftPart(UriPartial.Authority);
        if (!secret.Origins.Any(allowed => Uri.TryCreate(allowed, UriKind.Absolute, out Uri? address) && address.GetLeftPart(UriPartial.Authority) == origin))
        {
            throw new JobFailedException("secret_not_for_server", $"The secret '{name}' must not be sent to {origin}.");
        }

        return host.Variable(secret.Environment) is { Length: > 0 } value
            ? value
            : throw new JobFailedException("unknown_secret", $"The secret '{name}' has no value: the environment variable {secret.Environment} of the server is not set.");
    }

    /// <summary>A text without a secret that its sender has repeated.</summary>
    public static string Redact(string text, string? secret) => secret is { Length: >= 4 } ? text.Replace(secret, "[secret]", StringComparison.Ordinal) : text;
}
