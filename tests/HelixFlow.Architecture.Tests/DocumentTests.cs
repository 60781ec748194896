using System.Text.RegularExpressions;

namespace HelixFlow.Architecture.Tests;

/// <summary>Documents may name only files that exist.</summary>
public sealed partial class DocumentTests
{
    private static readonly string[] Roots =
        ["schemas/", "inference-pool/", "api-gateway/", "auth-service/", "agent-queue/", "cli/", "models/helix-tiny/", "tests/", "docs/", ".ci/"];

    public static TheoryData<string> Documents => [.. Repository.Files(".md")];

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_path_in_backticks_exists(string document)
    {
        IEnumerable<string> missing = Backticked().Matches(Repository.Read(document))
            .Select(match => match.Groups[1].Value)
            .Where(path => Roots.Any(root => path.StartsWith(root, StringComparison.Ordinal)))
            .Where(path => !path.Any(character => "*{<… ".Contains(character)))
            .Where(path => !Path.Exists(Path.Combine(Repository.Root, path)));

        Assert.Empty(missing);
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_local_link_leads_somewhere(string document)
    {
        string folder = Path.GetDirectoryName(Path.Combine(Repository.Root, document))!;
        IEnumerable<string> broken = Link().Matches(Repository.Read(document))
            .Select(match => match.Groups[1].Value.Split('#')[0])
            .Where(target => target.Length > 0 && !target.Contains("://", StringComparison.Ordinal) && !target.StartsWith("mailto:", StringComparison.Ordinal))
            .Where(target => !Path.Exists(Path.Combine(folder, target)));

        Assert.Empty(broken);
    }

    [GeneratedRegex("`([^`\\n]+)`")]
    private static partial Regex Backticked();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();
}
