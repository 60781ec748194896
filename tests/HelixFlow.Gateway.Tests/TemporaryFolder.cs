namespace HelixFlow.Gateway.Tests;

/// <summary>A folder of its own, which goes with it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("helixflow-gateway-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
