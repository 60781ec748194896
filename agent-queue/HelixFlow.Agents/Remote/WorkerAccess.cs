using Grpc.Core;

namespace HelixFlow.Agents.Remote;

/// <summary>Which runs a worker's key reaches.</summary>
/// <param name="Project">Those of this project alone; null for those of all projects.</param>
public sealed record WorkerAccess(string? Project)
{
    /// <summary>Lets pass what concerns a project that the key reaches.</summary>
    /// <param name="project">The project; null for one that is not known, of which nothing can be told.</param>
    /// <exception cref="RpcException">The key does not reach it.</exception>
    public void Require(string? project)
    {
        if (Project is not null && project is not null && project != Project)
        {
            throw WorkerStatus.Forbidden(Project);
        }
    }
}
