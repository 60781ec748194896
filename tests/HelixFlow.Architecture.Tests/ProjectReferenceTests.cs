using System.Text.RegularExpressions;

namespace HelixFlow.Architecture.Tests;

/// <summary>Dependencies point downward only: cli → services → foundation → schemas, and the engine knows nobody.</summary>
public sealed partial class ProjectReferenceTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["HelixFlow.Discovery"] = [],
        ["HelixFlow.Grpc"] = [],
        ["HelixFlow.Storage"] = [],
        ["HelixFlow.Schemas"] = ["HelixFlow.Grpc"],
        ["HelixFlow.Observability"] = ["HelixFlow.Schemas"],
        ["HelixFlow.Engine"] = [],
        ["HelixFlow.Engine.Cpu"] = ["HelixFlow.Engine"],
        ["HelixFlow.InferenceNode"] = ["HelixFlow.Schemas", "HelixFlow.Engine", "HelixFlow.Engine.Cpu"],
        ["HelixFlow.Gateway"] = ["HelixFlow.Discovery", "HelixFlow.Observability", "HelixFlow.Schemas", "HelixFlow.Storage"],
        ["HelixFlow.Agents"] = ["HelixFlow.Schemas", "HelixFlow.Storage"],
        ["HelixFlow.Auth"] = ["HelixFlow.Schemas"],
        ["HelixFlow.LlamaCpp"] = ["HelixFlow.Engine"],
        ["HelixFlow.Cli"] = ["HelixFlow.Agents", "HelixFlow.Discovery", "HelixFlow.Grpc", "HelixFlow.Observability", "HelixFlow.Gateway", "HelixFlow.Auth", "HelixFlow.InferenceNode", "HelixFlow.LlamaCpp", "HelixFlow.Storage"],
    };

    public static TheoryData<string> ProductProjects => [.. Repository.Files(".csproj").Where(path => !path.StartsWith("tests/", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(ProductProjects))]
    public void A_project_refers_only_to_projects_below_it(string path)
    {
        string name = Path.GetFileNameWithoutExtension(path);
        Assert.True(Allowed.ContainsKey(name), $"{path} is not in the list of allowed references");

        IEnumerable<string> references = ProjectReference().Matches(Repository.Read(path)).Select(match => Path.GetFileNameWithoutExtension(match.Groups[1].Value));

        Assert.Equal(Allowed[name].Order(StringComparer.Ordinal), references.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_engine_uses_no_package_and_no_shared_framework()
    {
        foreach (string path in ProductProjects.Select(row => row.Data).Where(path => path.Contains("HelixFlow.Engine", StringComparison.Ordinal)))
        {
            string project = Repository.Read(path);
            Assert.DoesNotContain("PackageReference", project, StringComparison.Ordinal);
            Assert.DoesNotContain("FrameworkReference", project, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_solution_holds_every_project()
    {
        string solution = Repository.Read("HelixFlow.sln").Replace('\\', '/');

        Assert.All(Repository.Files(".csproj"), path => Assert.Contains(path, solution, StringComparison.Ordinal));
    }

    [GeneratedRegex("""<ProjectReference Include="([^"]+)""")]
    private static partial Regex ProjectReference();
}
