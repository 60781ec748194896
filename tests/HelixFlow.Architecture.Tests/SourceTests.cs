using System.Text.RegularExpressions;

namespace HelixFlow.Architecture.Tests;

public sealed partial class SourceTests
{
    private const int MostLines = 600;

    [Fact]
    public void No_source_file_outgrows_one_idea()
    {
        IEnumerable<string> long_files = Repository.Files(".cs")
            .Select(path => (Path: path, Lines: File.ReadLines(Path.Combine(Repository.Root, path)).Count()))
            .Where(file => file.Lines > MostLines)
            .Select(file => $"{file.Path}: {file.Lines} lines");

        Assert.Empty(long_files);
    }

    [Fact]
    public void Every_log_event_id_is_used_once()
    {
        IEnumerable<string> repeated = Repository.Files(".cs")
            .Where(path => !path.StartsWith("tests/", StringComparison.Ordinal))
            .SelectMany(path => LoggerMessage().Matches(Repository.Read(path)).Select(match => (Id: match.Groups[1].Value, path)))
            .GroupBy(use => use.Id)
            .Where(uses => uses.Count() > 1)
            .Select(uses => $"{uses.Key}: {string.Join(", ", uses.Select(use => use.path))}");

        Assert.Empty(repeated);
    }

    [Fact]
    public void Intrinsics_live_in_the_cpu_backend_only()
    {
        IEnumerable<string> elsewhere = Repository.Files(".cs")
            .Where(path => !path.StartsWith("inference-pool/HelixFlow.Engine.Cpu/", StringComparison.Ordinal) && !path.StartsWith("tests/", StringComparison.Ordinal))
            .Where(path => Repository.Read(path).Contains("System.Runtime.Intrinsics.X86", StringComparison.Ordinal));

        Assert.Empty(elsewhere);
    }

    [GeneratedRegex(@"\[LoggerMessage\((?:EventId\s*=\s*)?(\d+)")]
    private static partial Regex LoggerMessage();
}
